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
// [batch, hidden].
type sequence[F float] struct {
	arithmetic[F]
	steps, batch, in, hidden int

	// kept is how many steps' activations are kept: all, to go back through
	// time; else one, so that they stay in the cache.
	kept  int
	h     []F // [kept, batch, hidden]
	c     []F // cell states, the same shape
	tanhC []F // their tanh
	z     []F // [kept, batch, 4*hidden], the gates after the non-linearities

	// For the way back, made when it is first gone.
	dZ      []F // [span, batch, 4*hidden], gradients of the gates before the non-linearities
	dH, dC  []F // [batch, hidden], what flows to the step before
	zero    []F // no gradient by the hidden states but the last
	packedT []F // the recurrence's weights, transposed
}

// newSequence makes a sequence that can go back where back is set.
func newSequence[F float](a arithmetic[F], steps, batch, in, hidden int, back bool) *sequence[F] {
	kept := 1
	if back {
		kept = steps
	}
	n := kept * batch * hidden
	return &sequence[F]{
		arithmetic: a, steps: steps, batch: batch, in: in, hidden: hidden, kept: kept,
		h: make([]F, n), c: make([]F, n), tanhC: make([]F, n), z: make([]F, 4*n),
	}
}

// resize sets the batch to one no larger than the sequence was made for. What
// an earlier pass left is then lost.
func (s *sequence[F]) resize(batch int) {
	n := s.kept * batch * s.hidden
	s.batch = batch
	s.h, s.c, s.tanhC, s.z = s.h[:n], s.c[:n], s.tanhC[:n], s.z[:4*n]
}

// rows is the number of rows of the weights.
func (s *sequence[F]) rows() int { return s.in + s.hidden + 1 }

// forward computes every hidden state and gives the last, [batch, hidden]. It
// stays valid until the next call.
func (s *sequence[F]) forward(x, w []F) []F {
	b, h, in := s.batch, s.hidden, s.in
	for t := range s.steps {
		// Each step's inputs together with its recurrence: one product for all
		// steps would fill the cache with sums that wait.
		z := s.at(s.z, t)
		var prevH, prev []F
		recurring := 0
		if t > 0 {
			recurring, prevH, prev = h, s.at(s.h, t-1), s.at(s.c, t-1)
		}
		s.affine(b, 4*h, in, recurring, x[t*b*in:(t+1)*b*in], prevH, w, w[(in+h)*4*h:], z)
		s.gates(h, b, z, prev, s.at(s.c, t), s.at(s.tanhC, t), s.at(s.h, t))
	}
	return s.at(s.h, s.steps-1)
}

// at is step t of v [kept, ...].
func (s *sequence[F]) at(v []F, t int) []F {
	n := len(v) / s.kept
	t %= s.kept
	return v[t*n : (t+1)*n]
}

// depth is how many rows a product for the weights' gradient sums up: enough
// for the product to be efficient, few enough to be in the cache still.
const depth = 256

// backward takes the loss's gradient dh by the last hidden state of the last
// forward pass, and writes the gradient by the weights into dw and, unless dx
// is nil, by the inputs into dx.
func (s *sequence[F]) backward(x, w, dh, dw, dx []F) {
	b, h, in := s.batch, s.hidden, s.in
	span := min(max(depth/b, 1), s.steps)
	if s.dZ == nil {
		s.dZ = make([]F, span*b*4*h)
		s.dH, s.dC, s.zero = make([]F, b*h), make([]F, b*h), make([]F, b*h)
		s.packedT = make([]F, s.packedLen(4*h, h))
	}
	var wxT []F
	if dx != nil {
		wxT = make([]F, s.packedLen(4*h, in))
		s.packT(wxT, 4*h, in, w[:in*4*h])
		clear(dx)
	}
	s.packT(s.packedT, 4*h, h, w[in*4*h:(in+h)*4*h])
	copy(s.dH, dh)
	clear(s.dC)
	clear(dw)
	for end := s.steps; end > 0; end -= span {
		from := max(end-span, 0)
		for t := end - 1; t >= from; t-- {
			s.stepBack(t, s.dZ[(t-from)*b*4*h:(t-from+1)*b*4*h])
		}
		rows := (end - from) * b
		dZ := s.dZ[:rows*4*h]
		s.gemmTA(in, 4*h, rows, x[from*b*in:], dZ, dw[:in*4*h])
		s.sumRows(rows, 4*h, dZ, dw[(in+h)*4*h:])
		if dx != nil {
			s.gemmPacked(rows, in, 4*h, dZ, wxT, dx[from*b*in:end*b*in])
		}
		// Nothing recurs into the first step.
		if from == 0 {
			rows, dZ = rows-b, dZ[b*4*h:]
			from = 1
		}
		s.gemmTA(h, 4*h, rows, s.h[(from-1)*b*h:], dZ, dw[in*4*h:(in+h)*4*h])
	}
}

// stepBack goes from step t to the step before: from dH and dC after it to those
// before it, and leaves the gradient of the gates in dz.
func (s *sequence[F]) stepBack(t int, dz []F) {
	b, h := s.batch, s.hidden
	var prev []F
	if t > 0 {
		prev = s.at(s.c, t-1)
	}
	s.gatesGradient(h, b, s.at(s.z, t), s.at(s.tanhC, t), prev, s.dH, s.zero, s.dC, dz)
	if t > 0 {
		clear(s.dH)
		s.gemmPacked(b, h, 4*h, dz, s.packedT, s.dH)
	}
}
