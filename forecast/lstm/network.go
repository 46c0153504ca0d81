package lstm

import (
	"fmt"
	"math"
	"math/rand/v2"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/feature"
)

// size is what may be chosen of the network; the rest follows from the
// features.
type size struct {
	hidden int // units of the LSTM
	dense  int // units between it and the output
}

// standard is the size that is fitted. More units of the LSTM cost more than
// they bring: much of what they would learn of a workload's past, the simple
// forecasts bring along.
func standard() size { return size{hidden: 32, dense: 128} }

// parameters are the network's weights: of the LSTM, of the layer that reads
// its last state beside the summaries, and of the output.
type parameters [3][]float32

func (z size) shapes() [3]tensor.Shape {
	return [3]tensor.Shape{
		{feature.Channels + z.hidden + 1, 4 * z.hidden},
		{z.hidden + feature.Statics + 1, z.dense},
		{z.dense + 1, outputs},
	}
}

func (z size) zeros() parameters {
	var p parameters
	for i, s := range z.shapes() {
		p[i] = make([]float32, s.TotalSize())
	}
	return p
}

func (p parameters) clone() parameters {
	for i := range p {
		p[i] = append([]float32(nil), p[i]...)
	}
	return p
}

// initial draws weights as Glorot and Bengio (2010) do. The forget gates start
// open, so that the gradient reaches back from the start; the output starts
// at a plain mixture of the bases with quantiles around it.
func (z size) initial(r *rand.Rand) parameters {
	p := z.zeros()
	for i, s := range z.shapes() {
		rows, cols := s[0], s[1]
		fan := cols
		if i == 0 {
			fan = z.hidden
		}
		limit := math.Sqrt(6 / float64(rows+fan))
		if i == 2 {
			limit *= 0.3
		}
		for j := range (rows - 1) * cols {
			p[i][j] = float32(limit * (2*r.Float64() - 1))
		}
	}
	h := z.hidden
	bias := p[0][len(p[0])-4*h:]
	for j := h; j < 2*h; j++ {
		bias[j] = 1
	}
	bias = p[2][len(p[2])-outputs:]
	for h := range forecast.Horizon {
		for q, level := range forecast.Levels() {
			// The quantiles of a normal error of a fifth of the unit.
			bias[offsets+h*forecast.NumLevels+q] = float32(0.2 * math.Sqrt2 * math.Erfinv(2*level-1))
		}
	}
	return p
}

// batch holds the inputs of one run, and for training what came true.
type batch[F float] struct {
	n      int
	x      []F // [steps, n, channels]
	static []F // [n, statics]
	base   []F // [n, horizon*columns]
	truth  []F // [n, targets]
	weight []F // [n]
}

func newBatch[F float](n int) *batch[F] {
	return &batch[F]{
		n: n, x: make([]F, feature.Steps*n*feature.Channels), static: make([]F, n*feature.Statics),
		base:  make([]F, n*bases),
		truth: make([]F, n*targets), weight: make([]F, n),
	}
}

// window is where the features of example i go.
func window(b *batch[float32], i int) feature.Window {
	return feature.Window{
		X: b.x[i*feature.Channels:], Stride: b.n * feature.Channels,
		Static: b.static[i*feature.Statics : (i+1)*feature.Statics],
		Base:   b.base[i*bases : (i+1)*bases],
	}
}

// graph is the training graph of one shard of a batch, with its machine. Two
// graphs may share weights; each serves one goroutine.
type graph[F float] struct {
	batch   *batch[F]
	weights []G.ValueGrad
	loss    *G.Node
	each    []F // the loss of each example of the last run, see loss
	mid     *dense[F]
	vm      G.VM
}

// newGraph builds the graph of the network for n examples over weights, which
// it does not copy.
func newGraph[F float](k arithmetic[F], z size, n int, weights [3]*tensor.Dense) (*graph[F], error) {
	t := dtype[F]()
	g := G.NewGraph()
	gr := &graph[F]{batch: newBatch[F](n), mid: newDense(k, n, z.hidden, feature.Statics, z.dense, true)}
	data := func(name string, values []F, shape ...int) *G.Node {
		v := tensor.New(tensor.WithShape(shape...), tensor.WithBacking(values))
		return G.NewTensor(g, t, len(shape), G.WithShape(shape...), G.WithName(name), G.WithValue(v))
	}
	x := data("x", gr.batch.x, feature.Steps, n, feature.Channels)
	static := data("static", gr.batch.static, n, feature.Statics)
	base := data("base", gr.batch.base, n, bases)
	truth := data("truth", gr.batch.truth, n, targets)
	weight := data("weight", gr.batch.weight, n)
	var w G.Nodes
	for i, s := range z.shapes() {
		w = append(w, G.NewMatrix(g, t, G.WithShape(s...), G.WithName(fmt.Sprintf("w%d", i)), G.WithValue(weights[i])))
	}

	var err error
	apply := func(o *op[F], in ...*G.Node) *G.Node {
		if err != nil {
			return nil
		}
		var node *G.Node
		if node, err = G.ApplyOp(o, in...); err != nil {
			err = fmt.Errorf("apply %s: %w", o.name, err)
		}
		return node
	}
	last := apply(sequenceOp(newSequence(k, feature.Steps, n, feature.Channels, z.hidden, true), false), x, w[0])
	mid := apply(denseOp(gr.mid), last, static, w[1])
	out := apply(denseOp(newDense(k, n, z.dense, 0, outputs, false)), mid, w[2])
	l := newLoss(k, n)
	gr.each = l.each
	gr.loss = apply(lossOp(l), out, base, truth, weight)
	if err != nil {
		return nil, err
	}
	gradients, err := G.Grad(gr.loss, w...)
	if err != nil {
		return nil, fmt.Errorf("differentiate the loss: %w", err)
	}
	for i, n := range w {
		gr.weights = append(gr.weights, trained{n, gradients[i]})
	}
	gr.vm = G.NewTapeMachine(g)
	return gr, nil
}

// trained is a matrix of weights and the node of its gradient. A machine that binds
// the two, as Gorgonia's way is, keeps a sum of all gradients so far beside the
// newest, which takes a pass over all weights at each run.
type trained struct{ weights, gradient *G.Node }

// Value implements [G.ValueGrad].
func (f trained) Value() G.Value { return f.weights.Value() }

// Grad implements [G.ValueGrad]. It gives the gradient of the last run, in memory
// that the next one writes anew.
func (f trained) Grad() (G.Value, error) {
	if v := f.gradient.Value(); v != nil {
		return v, nil
	}
	return nil, fmt.Errorf("gradient of %s: not computed yet", f.weights.Name())
}

// run computes the loss of what is in batch, and its gradient.
func (g *graph[F]) run() (F, error) {
	defer g.vm.Reset()
	if err := g.vm.RunAll(); err != nil {
		return 0, fmt.Errorf("run the network: %w", err)
	}
	v, err := backing[F](g.loss.Value())
	if err != nil {
		return 0, fmt.Errorf("read the loss: %w", err)
	}
	return v[0], nil
}

// gradient is the gradient by weight i that run left.
func (g *graph[F]) gradient(i int) ([]F, error) {
	v, err := g.weights[i].Grad()
	if err != nil {
		return nil, err
	}
	return backing[F](v)
}

// engine runs the network forward with the same kernels as the graph's ops, but
// without a machine, which would cost more than the network for a small batch.
// It owns all the memory that takes, so a run allocates nothing.
type engine struct {
	batch  *batch[float32]
	cutter feature.Cutter
	seq    *sequence[float32]
	mid    *dense[float32]
	out    *dense[float32]
	mix    mixture[float32]
}

// newEngine makes an engine for batches of n.
func newEngine(z size, n int) *engine {
	return &engine{
		batch: newBatch[float32](n),
		seq:   newSequence(fast{}, feature.Steps, n, feature.Channels, z.hidden, false),
		mid:   newDense(fast{}, n, z.hidden, feature.Statics, z.dense, true),
		out:   newDense(fast{}, n, z.dense, 0, outputs, false),
		mix:   mixture[float32]{arithmetic: fast{}},
	}
}

// resize sets the batch to n, no more than the engine was made for, so that
// what follows costs no more than it must.
func (e *engine) resize(n int) {
	e.batch.n = n
	e.seq.resize(n)
	e.mid.resize(n)
	e.out.resize(n)
}

// run gives [n, outputs], valid until the next call.
func (e *engine) run(p parameters) []float32 {
	last := e.seq.forward(e.batch.x, p[0])
	mid := e.mid.forward(last, e.batch.static, p[1])
	return e.out.forward(mid, nil, p[2])
}

// loss is the loss of example i alone, of the output of the last run.
func (e *engine) loss(out []float32, i int) float32 {
	b := e.batch
	return newLoss[float32](fast{}, 1).forward(out[i*outputs:(i+1)*outputs], b.base[i*bases:(i+1)*bases], b.truth[i*targets:(i+1)*targets], b.weight[i:i+1])
}

// unchanged is the loss of forecasting the level for example i, with
// certainty.
func (e *engine) unchanged(i int) float32 {
	var sum, n float32
	for _, z := range e.batch.truth[i*targets : i*targets+forecast.Horizon] {
		if z == z {
			sum += max(z, -z) / 2
			n++
		}
	}
	if n == 0 {
		return 0
	}
	return e.batch.weight[i] * sum / n
}
