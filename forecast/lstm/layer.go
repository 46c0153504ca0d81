package lstm

import "gorgonia.org/tensor"

// sequenceOp is a whole LSTM over time as one op: x [steps, batch, in] and the
// packed weights [in+hidden+1, 4*hidden] give the last hidden state
// [batch, hidden]. byInput asks for the gradient by x as well, which a layer
// beneath would need.
func sequenceOp[F float](s *sequence[F], byInput bool) *op[F] {
	w := tensor.Shape{s.rows(), 4 * s.hidden}
	dw := make([]F, w.TotalSize())
	var dx []F
	if byInput {
		dx = make([]F, s.steps*s.batch*s.in)
	}
	// One pass back gives both gradients. Gorgonia asks for them one by one,
	// in an order of its own, so whoever comes first computes both.
	fresh := false
	back := func(in [][]F) {
		if !fresh {
			s.backward(in[0], in[1], in[2], dw, dx)
		}
		fresh = byInput && !fresh
	}
	o := &op[F]{
		name: "lstm", in: []int{3, 2}, out: tensor.Shape{s.batch, s.hidden},
		do: func(out []F, in [][]F) {
			fresh = false
			copy(out, s.forward(in[0], in[1]))
		},
		gradients: []*op[F]{nil, {
			name: "lstm by weights", in: []int{3, 2, 2}, out: w,
			do: func(out []F, in [][]F) { back(in); copy(out, dw) },
		}},
	}
	if byInput {
		o.gradients[0] = &op[F]{
			name: "lstm by input", in: []int{3, 2, 2}, out: tensor.Shape{s.steps, s.batch, s.in},
			do: func(out []F, in [][]F) { back(in); copy(out, dx) },
		}
	}
	return o
}

// dense is a layer of units that see all of two inputs side by side: the
// weights w[(a+b+1), units] are the rows for the first input, for the second,
// and the bias. With rectify, what is negative becomes zero.
type dense[F float] struct {
	arithmetic[F]
	batch, a, b, units int
	rectify            bool
	y                  []F // [batch, units]
	// keep is what each unit of a rectified layer is multiplied by, [batch,
	// units], none below zero; nil for one. It drops units out in training.
	keep []F
	dz   []F // gradient before the rectifier
	wT   []F // the first input's weights, transposed and packed
}

func newDense[F float](k arithmetic[F], batch, a, b, units int, rectify bool) *dense[F] {
	return &dense[F]{arithmetic: k, batch: batch, a: a, b: b, units: units, rectify: rectify, y: make([]F, batch*units)}
}

// resize sets the batch to one no larger than d was made for.
func (d *dense[F]) resize(batch int) { d.batch, d.y = batch, d.y[:batch*d.units] }

func (d *dense[F]) rows() int { return d.a + d.b + 1 }

// forward gives [batch, units], valid until the next call. xb is not looked at
// where b is 0.
func (d *dense[F]) forward(xa, xb, w []F) []F {
	n := d.units
	d.affine(d.batch, n, d.a, d.b, xa, xb, w, w[(d.a+d.b)*n:], d.y)
	if d.rectify {
		for i, v := range d.y {
			d.y[i] = max(v, 0)
		}
		for i, v := range d.keep {
			d.y[i] *= v
		}
	}
	return d.y
}

// before is the gradient before the rectifier.
func (d *dense[F]) before(dy []F) []F {
	if !d.rectify {
		return dy
	}
	if d.dz == nil {
		d.dz = make([]F, len(d.y))
	}
	for i, v := range dy {
		// Whether a unit is on is anybody's guess, the processor's too: no jump.
		on := 0
		if d.y[i] > 0 {
			on = 1
		}
		d.dz[i] = v * F(on)
	}
	for i, v := range d.keep {
		d.dz[i] *= v
	}
	return d.dz
}

// byInput writes the gradient by the first input into da.
func (d *dense[F]) byInput(dy, w, da []F) {
	if d.wT == nil {
		d.wT = make([]F, d.packedLen(d.units, d.a))
	}
	d.packT(d.wT, d.units, d.a, w[:d.a*d.units])
	clear(da)
	d.gemmPacked(d.batch, d.a, d.units, d.before(dy), d.wT, da)
}

// byWeights writes the gradient by the weights into dw.
func (d *dense[F]) byWeights(xa, xb, dy, dw []F) {
	n := d.units
	dz := d.before(dy)
	clear(dw)
	d.gemmTA(d.a, n, d.batch, xa, dz, dw[:d.a*n])
	if d.b > 0 {
		d.gemmTA(d.b, n, d.batch, xb, dz, dw[d.a*n:(d.a+d.b)*n])
	}
	d.sumRows(d.batch, n, dz, dw[(d.a+d.b)*n:])
}

// denseOp is d as an op of xa [batch, a], xb [batch, b] where b is not 0, and
// the weights. The second input gets no gradient: it is data.
func denseOp[F float](d *dense[F]) *op[F] {
	split := func(in [][]F) (xa, xb, w []F) {
		if d.b == 0 {
			return in[0], nil, in[1]
		}
		return in[0], in[1], in[2]
	}
	in := []int{2, 2}
	if d.b > 0 {
		in = append(in, 2)
	}
	n := len(in)
	o := &op[F]{
		name: "dense", in: in, out: tensor.Shape{d.batch, d.units},
		do: func(out []F, in [][]F) {
			xa, xb, w := split(in)
			copy(out, d.forward(xa, xb, w))
		},
		gradients: make([]*op[F], n),
	}
	in = append(in[:n:n], 2)
	o.gradients[0] = &op[F]{
		name: "dense by input", in: in, out: tensor.Shape{d.batch, d.a},
		do: func(out []F, in [][]F) {
			_, _, w := split(in)
			d.byInput(in[n], w, out)
		},
	}
	o.gradients[n-1] = &op[F]{
		name: "dense by weights", in: in, out: tensor.Shape{d.rows(), d.units},
		do: func(out []F, in [][]F) {
			xa, xb, _ := split(in)
			d.byWeights(xa, xb, in[n], out)
		},
	}
	return o
}
