package lstm

import (
	"math"
	"math/rand/v2"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/feature"
)

func normal[F float](r *rand.Rand, n int, scale float64) []F {
	v := make([]F, n)
	for i := range v {
		v[i] = F(scale * r.NormFloat64())
	}
	return v
}

// furthest is the largest difference of a and b, relative to the largest of b.
func furthest[F float](a, b []F) float64 {
	diff, size := 0.0, 1e-30
	for i := range b {
		diff = max(diff, math.Abs(float64(a[i]-b[i])))
		size = max(size, math.Abs(float64(b[i])))
	}
	return diff / size
}

// dims of the small layer that gradients are checked on: several steps, and
// sizes that no tile divides.
const (
	tSteps, tBatch, tIn, tHidden = 7, 5, 3, 6
)

// squares runs o on in (x and weights) in a graph whose loss is the sum of the
// squared outputs weighed by k, and gives the gradients by both.
func gradients[F float](t *testing.T, build func(g *G.ExprGraph, x, w *G.Node) *G.Node, x, w, k []F) (dx, dw []F) {
	t.Helper()
	g := G.NewGraph()
	dt := dtype[F]()
	nx := G.NewTensor(g, dt, 3, G.WithShape(tSteps, tBatch, tIn), G.WithName("x"),
		G.WithValue(tensor.New(tensor.WithShape(tSteps, tBatch, tIn), tensor.WithBacking(append([]F{}, x...)))))
	rows := tIn + tHidden + 1
	nw := G.NewMatrix(g, dt, G.WithShape(rows, 4*tHidden), G.WithName("w"),
		G.WithValue(tensor.New(tensor.WithShape(rows, 4*tHidden), tensor.WithBacking(append([]F{}, w...)))))
	nk := G.NewMatrix(g, dt, G.WithShape(tBatch, tHidden), G.WithName("k"),
		G.WithValue(tensor.New(tensor.WithShape(tBatch, tHidden), tensor.WithBacking(append([]F{}, k...)))))
	loss := G.Must(G.Sum(G.Must(G.HadamardProd(build(g, nx, nw), nk))))
	if _, err := G.Grad(loss, nx, nw); err != nil {
		t.Fatal(err)
	}
	vm := G.NewTapeMachine(g, G.BindDualValues(nx, nw))
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	get := func(n *G.Node) []F {
		v, err := n.Grad()
		if err != nil {
			t.Fatal(err)
		}
		b, err := backing[F](v)
		if err != nil {
			t.Fatal(err)
		}
		return append([]F{}, b...)
	}
	return get(nx), get(nw)
}

// unrolled is the same layer in Gorgonia's own operations, step by step.
func unrolled(_ *G.ExprGraph, x, w *G.Node) *G.Node {
	must := func(n *G.Node, err error) *G.Node { return G.Must(n, err) }
	wx := must(G.Slice(w, G.S(0, tIn)))
	wh := must(G.Slice(w, G.S(tIn, tIn+tHidden)))
	bias := must(G.Slice(w, G.S(tIn+tHidden)))
	var h, c *G.Node
	for step := range tSteps {
		z := must(G.Mul(must(G.Slice(x, G.S(step))), wx))
		if h != nil {
			z = must(G.Add(z, must(G.Mul(h, wh))))
		}
		z = must(G.BroadcastAdd(z, must(G.Reshape(bias, tensor.Shape{1, 4 * tHidden})), nil, []byte{0}))
		part := func(i int) *G.Node { return must(G.Slice(z, nil, G.S(i*tHidden, (i+1)*tHidden))) }
		i, f, g, o := must(G.Sigmoid(part(0))), must(G.Sigmoid(part(1))), must(G.Tanh(part(2))), must(G.Sigmoid(part(3)))
		next := must(G.HadamardProd(i, g))
		if c != nil {
			next = must(G.Add(next, must(G.HadamardProd(f, c))))
		}
		c = next
		h = must(G.HadamardProd(o, must(G.Tanh(c))))
	}
	return h
}

func testUnrolled[F float](t *testing.T, k arithmetic[F], within float64) {
	r := rand.New(rand.NewPCG(1, 2))
	x := normal[F](r, tSteps*tBatch*tIn, 1)
	w := normal[F](r, (tIn+tHidden+1)*4*tHidden, 0.4)
	by := normal[F](r, tBatch*tHidden, 1)
	whole := func(_ *G.ExprGraph, x, w *G.Node) *G.Node {
		return G.Must(G.ApplyOp(sequenceOp(newSequence(k, tSteps, tBatch, tIn, tHidden, true), true), x, w))
	}
	dx, dw := gradients(t, whole, x, w, by)
	wantX, wantW := gradients(t, unrolled, x, w, by)
	if d := furthest(dx, wantX); d > within {
		t.Errorf("gradient by the input is %g off the unrolled graph's, want at most %g", d, within)
	}
	if d := furthest(dw, wantW); d > within {
		t.Errorf("gradient by the weights is %g off the unrolled graph's, want at most %g", d, within)
	}
}

func TestSequenceAgreesWithUnrolledGraph(t *testing.T) {
	t.Run("float64", func(t *testing.T) { testUnrolled(t, exact{}, 1e-13) })
	t.Run("float32", func(t *testing.T) { testUnrolled(t, fast{}, 5e-6) })
}

// differences checks gradient against central differences of f by v, which f
// reads.
func differences(t *testing.T, name string, v, gradient []float64, f func() float64) {
	t.Helper()
	const e = 1e-6
	for i := range v {
		old := v[i]
		v[i] = old + e
		up := f()
		v[i] = old - e
		down := f()
		v[i] = old
		if want := (up - down) / (2 * e); math.Abs(gradient[i]-want) > 1e-6*max(1, math.Abs(want)) {
			t.Fatalf("%s: gradient %d is %.9g, by differences %.9g", name, i, gradient[i], want)
		}
	}
}

func TestSequenceByDifferences(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	x := normal[float64](r, tSteps*tBatch*tIn, 1)
	w := normal[float64](r, (tIn+tHidden+1)*4*tHidden, 0.4)
	by := normal[float64](r, tBatch*tHidden, 1)
	s := newSequence(exact{}, tSteps, tBatch, tIn, tHidden, true)
	f := func() float64 {
		sum := 0.0
		for i, v := range s.forward(x, w) {
			sum += v * by[i]
		}
		return sum
	}
	f()
	dx, dw := make([]float64, len(x)), make([]float64, len(w))
	s.backward(x, w, by, dw, dx)
	differences(t, "by input", x, dx, f)
	differences(t, "by weights", w, dw, f)
}

func TestDenseByDifferences(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	const batch, a, b, units = 4, 5, 3, 7
	xa, xb := normal[float64](r, batch*a, 1), normal[float64](r, batch*b, 1)
	w, by := normal[float64](r, (a+b+1)*units, 0.5), normal[float64](r, batch*units, 1)
	d := newDense(exact{}, batch, a, b, units, true)
	d.keep = make([]float64, batch*units)
	for i := range d.keep {
		d.keep[i] = float64(r.IntN(3))
	}
	f := func() float64 {
		sum := 0.0
		for i, v := range d.forward(xa, xb, w) {
			sum += v * by[i]
		}
		return sum
	}
	f()
	da, dw := make([]float64, len(xa)), make([]float64, len(w))
	d.byInput(by, w, da)
	d.byWeights(xa, xb, by, dw)
	differences(t, "by input", xa, da, f)
	differences(t, "by weights", w, dw, f)
}

// TestNetworkByDifferences checks the whole graph, missing minutes and all.
func TestNetworkByDifferences(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	z := size{hidden: 4, dense: 5}
	const n = 3
	var weights [3]*tensor.Dense
	var values [3][]float64
	for i, s := range z.shapes() {
		values[i] = normal[float64](r, s.TotalSize(), 0.2)
		weights[i] = tensor.New(tensor.WithShape(s...), tensor.WithBacking(values[i]))
	}
	g, err := newGraph(exact{}, z, n, weights)
	if err != nil {
		t.Fatal(err)
	}
	copy(g.batch.x, normal[float64](r, len(g.batch.x), 1))
	copy(g.batch.static, normal[float64](r, len(g.batch.static), 1))
	copy(g.batch.base, normal[float64](r, len(g.batch.base), 1))
	copy(g.batch.truth, normal[float64](r, len(g.batch.truth), 1))
	copy(g.batch.weight, []float64{1, 0.5, 2})
	g.batch.truth[3] = math.NaN()
	g.batch.truth[targets+forecast.Horizon+1] = math.NaN()
	f := func() float64 {
		v, err := g.run()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	f()
	var want [3][]float64
	for i := range want {
		d, err := g.gradient(i)
		if err != nil {
			t.Fatal(err)
		}
		want[i] = append([]float64{}, d...)
	}
	for i := range values {
		// A few of each matrix: a pass of the whole network is dear.
		for range 40 {
			j := r.IntN(len(values[i]))
			differences(t, "network", values[i][j:j+1], want[i][j:j+1], f)
		}
	}
}

// TestEngineAgreesWithGraph: what is served is what was fitted.
func TestEngineAgreesWithGraph(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	z := size{hidden: 8, dense: 16}
	p := z.initial(r)
	var weights [3]*tensor.Dense
	for i, s := range z.shapes() {
		weights[i] = tensor.New(tensor.WithShape(s...), tensor.WithBacking(p[i]))
	}
	const n = 6
	g, err := newGraph(fast{}, z, n, weights)
	if err != nil {
		t.Fatal(err)
	}
	e := newEngine(z, n)
	copy(e.batch.x, normal[float32](r, n*feature.Steps*feature.Channels, 1))
	copy(e.batch.static, normal[float32](r, n*feature.Statics, 1))
	copy(e.batch.base, normal[float32](r, len(e.batch.base), 1))
	copy(e.batch.truth, normal[float32](r, len(e.batch.truth), 1))
	for i := range e.batch.weight {
		e.batch.weight[i] = 1
	}
	copy(g.batch.x, e.batch.x)
	copy(g.batch.static, e.batch.static)
	copy(g.batch.base, e.batch.base)
	copy(g.batch.truth, e.batch.truth)
	copy(g.batch.weight, e.batch.weight)
	want, err := g.run()
	if err != nil {
		t.Fatal(err)
	}
	var got float32
	out := e.run(p)
	for i := range n {
		got += e.loss(out, i) / n
	}
	if math.Abs(float64(got-want)) > 1e-6*float64(want) {
		t.Errorf("the engine's loss is %v, the graph's %v", got, want)
	}
}
