package lstm

import (
	"fmt"
	"math"

	G "gorgonia.org/gorgonia"

	"github.com/foretide/foretide/forecast/lstm/kernel"
)

// adam is Gorgonia's solver of that name (Kingma and Ba, 2015) in one pass over
// the weights instead of a dozen, and without the four copies of them that
// Gorgonia's makes a step. It implements [G.Solver].
type adam struct {
	rate float64
	// steps counts the steps taken; m and v are running means of the gradients
	// and their squares.
	steps int
	m, v  [][]float32
}

// Step implements [G.Solver]. It clears the gradients, to which a machine adds.
func (a *adam) Step(model []G.ValueGrad) error {
	const decay1, decay2, epsilon = 0.9, 0.999, 1e-8
	a.steps++
	by := kernel.AdamStep{
		Rate: a.rate, Decay1: decay1, Decay2: decay2, Epsilon: epsilon,
		Bias1: 1 - math.Pow(decay1, float64(a.steps)), Bias2: 1 - math.Pow(decay2, float64(a.steps)),
	}
	for i, n := range model {
		w, err := backing[float32](n.Value())
		if err != nil {
			return fmt.Errorf("step matrix %d: %w", i, err)
		}
		gradient, err := n.Grad()
		if err != nil {
			return fmt.Errorf("step matrix %d: read its gradient: %w", i, err)
		}
		g, err := backing[float32](gradient)
		if err != nil {
			return fmt.Errorf("step matrix %d: its gradient: %w", i, err)
		}
		if i == len(a.m) {
			a.m, a.v = append(a.m, make([]float32, len(w))), append(a.v, make([]float32, len(w)))
		}
		kernel.Adam(w, g, a.m[i], a.v[i], by)
	}
	return nil
}
