package lstm

import (
	"math/rand/v2"
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// TestAdamAgreesWithGorgonia fits a small network with both solvers.
func TestAdamAgreesWithGorgonia(t *testing.T) {
	z := size{hidden: 8, dense: 16}
	p := z.initial(rand.New(rand.NewPCG(11, 12)))
	const rate = 1e-3
	fit := func(solver G.Solver) (weights [3]*tensor.Dense) {
		for i, s := range z.shapes() {
			weights[i] = tensor.New(tensor.WithShape(s...), tensor.WithBacking(slices.Clone(p[i])))
		}
		g, err := newGraph(fast{}, z, 6, weights)
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(13, 14))
		for _, v := range [][]float32{g.batch.x, g.batch.static, g.batch.base, g.batch.truth} {
			copy(v, normal[float32](r, len(v), 1))
		}
		for i := range g.batch.weight {
			g.batch.weight[i] = 1
		}
		for range 5 {
			if _, err := g.run(); err != nil {
				t.Fatal(err)
			}
			if err := solver.Step(g.weights); err != nil {
				t.Fatal(err)
			}
		}
		for i := range g.weights {
			d, err := g.gradient(i)
			if err != nil {
				t.Fatal(err)
			}
			if slices.ContainsFunc(d, func(v float32) bool { return v != 0 }) {
				t.Errorf("the gradient of matrix %d is not cleared", i)
			}
		}
		return weights
	}
	got, want := fit(&adam{rate: rate}), fit(G.NewAdamSolver(G.WithLearnRate(rate)))
	for i := range want {
		a, b := got[i].Data().([]float32), want[i].Data().([]float32)
		if slices.Equal(b, p[i]) {
			t.Errorf("matrix %d has not moved", i)
		}
		if d := furthest(a, b); d > 1e-5 {
			t.Errorf("matrix %d is %g off Gorgonia's, want at most 1e-5", i, d)
		}
	}
}
