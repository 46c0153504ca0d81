package lstm

import (
	"fmt"
	"hash"
	"hash/fnv"

	"github.com/chewxy/hm"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// op computes in one piece what Gorgonia would otherwise unroll into thousands
// of nodes. A Gorgonia Op has exactly one output, so an op that is
// differentiated has a further op for each gradient; these share the state that
// the forward pass left, so all of them belong to one machine.
type op[F float] struct {
	name string
	// in are the numbers of dimensions of the inputs, out is the shape of the
	// output: empty for a scalar.
	in  []int
	out tensor.Shape
	// do computes out from the inputs, all of them row-major.
	do func(out []F, in [][]F)
	// gradients are the ops of the gradients by each input, nil where none is
	// asked for. They take the op's inputs and the output's gradient.
	gradients []*op[F]

	value  G.Value // the output, written anew at each call
	result []F
	args   [][]F
}

// scalar is the shape of a single number.
func scalar() tensor.Shape { return tensor.ScalarShape() }

func dtype[F float]() tensor.Dtype {
	var f F
	if _, ok := any(f).(float64); ok {
		return tensor.Float64
	}
	return tensor.Float32
}

// Do implements gorgonia.Op. The value it gives is overwritten by the next
// call.
func (o *op[F]) Do(in ...G.Value) (G.Value, error) {
	if len(in) != len(o.in) {
		return nil, fmt.Errorf("%s: %d inputs, want %d", o.name, len(in), len(o.in))
	}
	if o.args == nil {
		o.args = make([][]F, len(in))
		o.result = make([]F, max(o.out.TotalSize(), 1))
		if !o.out.IsScalar() {
			o.value = tensor.New(tensor.WithShape(o.out...), tensor.WithBacking(o.result))
		}
	}
	for i, v := range in {
		a, err := backing[F](v)
		if err != nil {
			return nil, fmt.Errorf("%s: input %d: %w", o.name, i, err)
		}
		o.args[i] = a
	}
	o.do(o.result, o.args)
	if o.out.IsScalar() {
		return number(o.result[0]), nil
	}
	return o.value, nil
}

func backing[F float](v G.Value) ([]F, error) {
	switch d := v.Data().(type) {
	case []F:
		return d, nil
	case F:
		return []F{d}, nil
	}
	return nil, fmt.Errorf("holds %T, want %v", v.Data(), dtype[F]())
}

func number[F float](v F) G.Value {
	switch v := any(v).(type) {
	case float32:
		return G.NewF32(v)
	case float64:
		return G.NewF64(v)
	}
	return nil
}

// Arity implements gorgonia.Op.
func (o *op[F]) Arity() int { return len(o.in) }

// Type implements gorgonia.Op.
func (o *op[F]) Type() hm.Type {
	of := func(dims int) hm.Type {
		if dims == 0 {
			return dtype[F]()
		}
		return G.TensorType{Dims: dims, Of: dtype[F]()}
	}
	var t []hm.Type
	for _, d := range o.in {
		t = append(t, of(d))
	}
	return hm.NewFnType(append(t, of(o.out.Dims()))...)
}

// InferShape implements gorgonia.Op.
func (o *op[F]) InferShape(...G.DimSizer) (tensor.Shape, error) { return o.out, nil }

// ReturnsPtr implements gorgonia.Op.
func (o *op[F]) ReturnsPtr() bool { return true }

// CallsExtern implements gorgonia.Op.
func (o *op[F]) CallsExtern() bool { return false }

// OverwritesInput implements gorgonia.Op.
func (o *op[F]) OverwritesInput() int { return -1 }

// WriteHash implements gorgonia.Op. Two ops are never the same, as each has
// state of its own.
func (o *op[F]) WriteHash(h hash.Hash) { fmt.Fprintf(h, "%s %p", o.name, o) }

// Hashcode implements gorgonia.Op.
func (o *op[F]) Hashcode() uint32 {
	h := fnv.New32a()
	o.WriteHash(h)
	return h.Sum32()
}

func (o *op[F]) String() string { return o.name }

// DiffWRT implements gorgonia.SDOp.
func (o *op[F]) DiffWRT(int) []bool {
	wrt := make([]bool, len(o.in))
	for i := range o.gradients {
		wrt[i] = o.gradients[i] != nil
	}
	return wrt
}

// SymDiff implements gorgonia.SDOp.
func (o *op[F]) SymDiff(inputs G.Nodes, _, grad *G.Node) (G.Nodes, error) {
	nodes := make(G.Nodes, len(inputs))
	for i, g := range o.gradients {
		if g == nil {
			continue
		}
		n, err := G.ApplyOp(g, append(append(G.Nodes{}, inputs...), grad)...)
		if err != nil {
			return nil, fmt.Errorf("gradient of %s by input %d: %w", o.name, i, err)
		}
		nodes[i] = n
	}
	return nodes, nil
}
