package lstm

// sequence is a whole LSTM layer run over time (Hochreiter and Schmidhuber,
// 1997, with the forget gate of Gers et al., 2000): forward and back through
// time, as plain functions of slices. It owns the activations of the last
// forward pass, which the backward pass reads, so one sequence serves one
// goroutine at a time.
//
// The weights are one matrix w[(in+hidden+1), 4*hidden]: the rows of the input,
// of the recurrence, and the bias; the columns of the input, forget, candidate
// and output gates. x is [steps, batch, in], hidden states are
// [steps, batch, hidden].
type sequence[F float] struct {
	arithmetic[F]
	steps, batch, in, hidden int

	h      []F // [steps, batch, hidden]
	c      []F // cell states, the same shape
	tanhC  []F // their tanh
	z      []F // [steps, batch, 4*hidden], the gates after the non-linearities
	packed []F // the recurrence's weights

	// For the way back, made when it is first gone.
	dZ      []F // gradients of the gates before the non-linearities
	dH, dC  []F // [batch, hidden], what flows to the step before
	zero    []F // no gradient by the hidden states but the last
	packedT []F // the recurrence's weights, transposed
}

func newSequence[F float](a arithmetic[F], steps, batch, in, hidden int) *sequence[F] {
	n := steps * batch * hidden
	return &sequence[F]{
		arithmetic: a, steps: steps, batch: batch, in: in, hidden: hidden,
		h: make([]F, n), c: make([]F, n), tanhC: make([]F, n), z: make([]F, 4*n),
		packed: make([]F, a.packedLen(hidden, 4*hidden)),
	}
}

// rows is the number of rows of the weights.
func (s *sequence[F]) rows() int { return s.in + s.hidden + 1 }

// forward computes every hidden state and gives the last, [batch, hidden]. It
// stays valid until the next call.
func (s *sequence[F]) forward(x, w []F) []F {
	b, h, in := s.batch, s.hidden, s.in
	wx, wh, bias := w[:in*4*h], w[in*4*h:(in+h)*4*h], w[(in+h)*4*h:]
	for i := 0; i < len(s.z); i += 4 * h {
		copy(s.z[i:i+4*h], bias)
	}
	// The inputs of all steps at once: one large product instead of many.
	s.gemm(s.steps*b, 4*h, in, x, wx, s.z)
	s.pack(s.packed, h, 4*h, wh)
	for t := range s.steps {
		z := s.z[t*b*4*h : (t+1)*b*4*h]
		var prev []F
		if t > 0 {
			s.gemmPacked(b, 4*h, h, s.at(s.h, t-1), s.packed, z)
			prev = s.at(s.c, t-1)
		}
		s.gates(h, b, z, prev, s.at(s.c, t), s.at(s.tanhC, t), s.at(s.h, t))
	}
	return s.at(s.h, s.steps-1)
}

// at is step t of v [steps, batch, hidden].
func (s *sequence[F]) at(v []F, t int) []F {
	n := s.batch * s.hidden
	return v[t*n : (t+1)*n]
}

// backward takes the loss's gradient dh by the last hidden state of the last
// forward pass, and writes the gradient by the weights into dw and, unless dx
// is nil, by the inputs into dx.
func (s *sequence[F]) backward(x, w, dh, dw, dx []F) {
	b, h, in := s.batch, s.hidden, s.in
	if s.dZ == nil {
		s.dZ = make([]F, len(s.z))
		s.dH, s.dC, s.zero = make([]F, b*h), make([]F, b*h), make([]F, b*h)
		s.packedT = make([]F, s.packedLen(4*h, h))
	}
	s.packT(s.packedT, 4*h, h, w[in*4*h:(in+h)*4*h])
	copy(s.dH, dh)
	clear(s.dC)
	for t := s.steps - 1; t >= 0; t-- {
		var prev []F
		if t > 0 {
			prev = s.at(s.c, t-1)
		}
		dz := s.dZ[t*b*4*h : (t+1)*b*4*h]
		s.gatesGradient(h, b, s.z[t*b*4*h:(t+1)*b*4*h], s.at(s.tanhC, t), prev, s.dH, s.zero, s.dC, dz)
		if t > 0 {
			clear(s.dH)
			s.gemmPacked(b, h, 4*h, dz, s.packedT, s.dH)
		}
	}
	clear(dw)
	s.gemmTA(in, 4*h, s.steps*b, x, s.dZ, dw[:in*4*h])
	if s.steps > 1 {
		s.gemmTA(h, 4*h, (s.steps-1)*b, s.h[:(s.steps-1)*b*h], s.dZ[b*4*h:], dw[in*4*h:(in+h)*4*h])
	}
	s.sumRows(s.steps*b, 4*h, s.dZ, dw[(in+h)*4*h:])
	if dx != nil {
		wxT := make([]F, s.packedLen(4*h, in))
		s.packT(wxT, 4*h, in, w[:in*4*h])
		clear(dx)
		s.gemmPacked(s.steps*b, in, 4*h, s.dZ, wxT, dx)
	}
}
