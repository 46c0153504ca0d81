package kernel

import (
	"math"
	"slices"
	"testing"
)

// sweep gives float32 of every size and sign, the infinities and the edges of
// the assembly's ranges.
func sweep() []float32 {
	var s []float32
	for bits := uint64(0); bits < 1<<32; bits += 4093 {
		if v := math.Float32frombits(uint32(bits)); v == v {
			s = append(s, v)
		}
	}
	for _, v := range []float64{math.Inf(1), math.MaxFloat32, 20, 44, 87, 87.5, 88, 88.4, 88.8, 89, 90, 104, math.Ln2 / 2, math.Ln2 / 4, 1e-45, 0} {
		s = append(s, float32(v), float32(-v))
	}
	return s
}

// activations runs x through all four gates of first steps, as many cells wide
// as there are numbers.
func activations(x []float32) (i, f, g, o []float32) {
	h := len(x)
	z := slices.Repeat(x, 4)
	c, tanhC, hOut := make([]float32, h), make([]float32, h), make([]float32, h)
	Gates(h, 1, z, nil, c, tanhC, hOut)
	return z[:h], z[h : 2*h], z[2*h : 3*h], z[3*h:]
}

func TestActivations(t *testing.T) {
	x := sweep()
	i, f, g, o := activations(x)
	if !slices.Equal(i, f) || !slices.Equal(i, o) {
		t.Fatal("the three sigmoid gates differ for the same sums")
	}
	var worstSigmoid, worstTanh, ulpSigmoid, ulpTanh float64
	for j, v := range x {
		s, th := 1/(1+math.Exp(-float64(v))), math.Tanh(float64(v))
		worstSigmoid = worse(worstSigmoid, math.Abs(float64(i[j])-s))
		worstTanh = worse(worstTanh, math.Abs(float64(g[j])-th))
		if s > 0x1p-126 { // below, float32 loses digits
			ulpSigmoid = worse(ulpSigmoid, math.Abs(float64(i[j])-s)/ulp(s))
		}
		if math.Abs(th) > 0x1p-126 {
			ulpTanh = worse(ulpTanh, math.Abs(float64(g[j])-th)/ulp(th))
		}
	}
	t.Logf("sigmoid: within %.3g, %.2f ulp; tanh: within %.3g, %.2f ulp, over %d numbers", worstSigmoid, ulpSigmoid, worstTanh, ulpTanh, len(x))
	if !(worstSigmoid <= 1.2e-7) || !(worstTanh <= 1.2e-7) {
		t.Errorf("largest errors %g and %g, want at most 1.2e-7", worstSigmoid, worstTanh)
	}
	if !(ulpSigmoid <= 6) || !(ulpTanh <= 3) {
		t.Errorf("largest errors %g and %g ulp, want at most 6 and 3", ulpSigmoid, ulpTanh)
	}
}

// worse is the larger, and NaN if either is.
func worse(a, b float64) float64 {
	if a != a || b > a || b != b {
		if a != a {
			return a
		}
		return b
	}
	return a
}

// ulp is the distance between float32 of v's size.
func ulp(v float64) float64 {
	_, e := math.Frexp(v)
	return math.Ldexp(1, e-24)
}

func TestActivationsAtTheEnds(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	i, _, g, _ := activations([]float32{inf, -inf, math.MaxFloat32, -math.MaxFloat32, 0, nan, 100, -100, 1, 1})
	for j, want := range []float32{1, 0, 1, 0, 0.5} {
		if i[j] != want {
			t.Errorf("sigmoid %d: got %v, want %v", j, i[j], want)
		}
	}
	for j, want := range []float32{1, -1, 1, -1, 0} {
		if g[j] != want {
			t.Errorf("tanh %d: got %v, want %v", j, g[j], want)
		}
	}
	if i[5] == i[5] || g[5] == g[5] {
		t.Errorf("of NaN came sigmoid %v and tanh %v, want NaN", i[5], g[5])
	}
	if n := slices.IndexFunc(i, func(v float32) bool { return v != v }); n != 5 || slices.ContainsFunc(g[6:], func(v float32) bool { return v != v }) {
		t.Errorf("NaN spread to its neighbours: %v, %v", i, g)
	}
}

func TestExp(t *testing.T) {
	x := append(sweep(), float32(math.NaN()))
	for n := range 18 { // whole vectors and the rest
		got := append(slices.Clone(x[:n]), -12345)
		Exp(got[:n])
		all := slices.Clone(x)
		Exp(all)
		if !slices.Equal(got[:n], all[:n]) || got[n] != -12345 {
			t.Fatalf("Exp of %v gave %v and of more %v", x[:n], got, all[:n])
		}
	}
	got := slices.Clone(x)
	Exp(got)
	for i, v := range x {
		want := math.Exp(float64(v))
		switch {
		case v != v:
			if got[i] == got[i] {
				t.Fatalf("exp(NaN) is %v, want NaN", got[i])
			}
		case v > 88.3:
			if !(got[i] >= 2.2e38) {
				t.Fatalf("exp(%v) is %v, want as much as float32 holds or infinity", v, got[i])
			}
		case v < -87:
			if got[i] > 1.7e-38 || got[i] < 0 {
				t.Fatalf("exp(%v) is %v, want next to nothing", v, got[i])
			}
		default:
			if math.Abs(float64(got[i])-want) > (1.2e-7+4e-9*math.Abs(float64(v)))*want {
				t.Fatalf("exp(%v) is %v, want %v", v, got[i], want)
			}
		}
	}
}

// cell is the arrays of one step, each with a guard behind it.
type cell struct {
	z, prevC, c, tanhC, hOut, dh, dHnext, dC, dGates []float32
}

const guard = 16

func newCell(seed uint64, h, batch int) cell {
	narrow := func(i uint64) []float32 { return append(noise(seed+i, batch*h), guards()...) }
	wide := func(i uint64) []float32 { return append(noise(seed+i, 4*batch*h), guards()...) }
	return cell{wide(1), narrow(2), narrow(3), narrow(4), narrow(5), narrow(6), narrow(7), narrow(8), wide(9)}
}

func guards() []float32 { return slices.Repeat([]float32{-12345}, guard) }

func (s *cell) arrays() [][]float32 {
	return [][]float32{s.z, s.prevC, s.c, s.tanhC, s.hOut, s.dh, s.dHnext, s.dC, s.dGates}
}

func (s *cell) clone() cell {
	return cell{slices.Clone(s.z), slices.Clone(s.prevC), slices.Clone(s.c), slices.Clone(s.tanhC), slices.Clone(s.hOut),
		slices.Clone(s.dh), slices.Clone(s.dHnext), slices.Clone(s.dC), slices.Clone(s.dGates)}
}

// step runs forward and back, ours or the plain Go.
func (s *cell) step(h, batch int, first, plain bool) {
	prev := s.prevC
	if first {
		prev = nil
	}
	if plain {
		plainGates(h, batch, s.z, prev, s.c, s.tanhC, s.hOut)
		plainGatesGradient(h, batch, s.z, s.tanhC, prev, s.dh, s.dHnext, s.dC, s.dGates)
		return
	}
	Gates(h, batch, s.z, prev, s.c, s.tanhC, s.hOut)
	GatesGradient(h, batch, s.z, s.tanhC, prev, s.dh, s.dHnext, s.dC, s.dGates)
}

func againstPlain(t *testing.T, seed uint64, h, batch int, first bool) {
	t.Helper()
	got := newCell(seed, h, batch)
	want := got.clone()
	got.step(h, batch, first, false)
	want.step(h, batch, first, true)
	names := []string{"gates", "prevC", "c", "tanhC", "hOut", "dh", "dHnext", "dC", "dGates"}
	for i, g := range got.arrays() {
		w := want.arrays()[i]
		for j, v := range g {
			behind := j >= len(g)-guard
			if d := math.Abs(float64(v - w[j])); !(d <= 2e-6) || behind && v != -12345 {
				t.Fatalf("h=%d batch=%d first=%v: %s[%d] is %v, of plain Go %v", h, batch, first, names[i], j, v, w[j])
			}
		}
	}
}

func TestGatesAgainstPlain(t *testing.T) {
	if !accelerated() {
		t.Skip("nothing to hold plain Go against: this processor or build runs no assembly")
	}
	for h := 1; h <= 40; h++ {
		for _, batch := range []int{1, 2, 3, 5} {
			againstPlain(t, uint64(h), h, batch, false)
			againstPlain(t, uint64(h), h, batch, true)
		}
	}
	againstPlain(t, 1, 64, 64, false)
	againstPlain(t, 1, 128, 33, true)
}

// The gradient against differences of the forward step itself.
func TestGatesGradientAgainstDifferences(t *testing.T) {
	const h, batch, eps = 5, 3, 1e-2
	s := newCell(3, h, batch)
	z := slices.Clone(s.z)
	dC := slices.Clone(s.dC)
	// loss weighs the hidden and cell states as dh+dHnext and dC do.
	loss := func(z, prevC []float32) float64 {
		r := s.clone()
		copy(r.z, z)
		Gates(h, batch, r.z, prevC, r.c, r.tanhC, r.hOut)
		var sum float64
		for i := range batch * h {
			sum += float64(r.hOut[i])*float64(s.dh[i]+s.dHnext[i]) + float64(r.c[i])*float64(dC[i])
		}
		return sum
	}
	prev := slices.Clone(s.prevC)
	s.step(h, batch, false, false)
	dPrev := slices.Clone(s.dC)
	slope := func(x []float32, i int) float64 {
		was := x[i]
		x[i] = was + eps
		up := loss(z, prev)
		x[i] = was - eps
		down := loss(z, prev)
		x[i] = was
		return (up - down) / (2 * eps)
	}
	for i := range 4 * h * batch {
		if want := slope(z, i); math.Abs(float64(s.dGates[i])-want) > 5e-4 {
			t.Errorf("dGates[%d] is %v, by differences %v", i, s.dGates[i], want)
		}
	}
	for i := range h * batch {
		if want := slope(prev, i); math.Abs(float64(dPrev[i])-want) > 5e-4 {
			t.Errorf("dC[%d] is %v, by differences %v", i, dPrev[i], want)
		}
	}
}

func TestGatesInPlace(t *testing.T) {
	const h, batch = 13, 4
	apart := newCell(5, h, batch)
	in := apart.clone()
	apart.step(h, batch, false, false)
	Gates(h, batch, in.z, in.prevC, in.prevC, in.tanhC, in.hOut)
	if !slices.Equal(in.prevC, apart.c) || !slices.Equal(in.hOut, apart.hOut) {
		t.Error("Gates with c in the place of prevC gave other states")
	}
	in = apart.clone()
	in.dC = newCell(5, h, batch).dC
	GatesGradient(h, batch, in.z, in.tanhC, in.prevC, in.dh, in.dHnext, in.dC, in.z)
	if !slices.Equal(in.z, apart.dGates) || !slices.Equal(in.dC, apart.dC) {
		t.Error("GatesGradient with dGates in the place of gates gave other gradients")
	}
}

func TestNoAllocations(t *testing.T) {
	if !accelerated() {
		t.Skip("only the assembly promises it, and this processor or build runs without")
	}
	const h, batch = 24, 9
	s := newCell(1, h, batch)
	w, packed, sum := noise(2, h*4*h), make([]float32, PackedLen(h, 4*h)), make([]float32, 4*h)
	n := testing.AllocsPerRun(10, func() {
		PackB(packed, h, 4*h, w, 4*h)
		PackBT(packed, h, 4*h, w, h)
		Gemm(batch, 4*h, h, s.dh, h, w, 4*h, s.z, 4*h)
		GemmPacked(batch, 4*h, h, s.dh, h, packed, s.z, 4*h)
		GemmTA(h, 4*h, batch, s.dh, h, s.dGates, 4*h, w, 4*h)
		SumRows(batch, 4*h, s.dGates, 4*h, sum)
		Affine(batch, 4*h, h-1, s.dh, h, 1, s.dC, 1, w, 4*h, sum, s.z, 4*h)
		Exp(s.c)
		s.step(h, batch, false, false)
	})
	if n != 0 {
		t.Errorf("a step allocates %v times, want none", n)
	}
}

// FuzzGates holds the assembly against plain Go, at random sums and at the
// given ones.
func FuzzGates(f *testing.F) {
	if !accelerated() {
		f.Skip("nothing to hold plain Go against: this processor or build runs no assembly")
	}
	f.Add(uint8(8), uint8(2), uint64(1), float32(0), float32(1), false)
	f.Add(uint8(13), uint8(3), uint64(9), float32(-88.5), float32(20), true)
	f.Add(uint8(1), uint8(1), uint64(4), float32(math.Inf(-1)), float32(math.MaxFloat32), true)
	f.Fuzz(func(t *testing.T, h8, batch8 uint8, seed uint64, x, y float32, first bool) {
		h, batch := int(h8%70), int(batch8%9)
		if h == 0 || batch == 0 {
			return
		}
		againstPlain(t, seed, h, batch, first)
		if x != x || y != y {
			return
		}
		i, _, g, _ := activations(slices.Repeat([]float32{x, y, x / 2, y * x}, 3))
		for j, v := range []float32{x, y, x / 2, y * x} {
			if v != v { // an infinity times zero
				continue
			}
			for at := j; at < 12; at += 4 { // whole vectors and the rest
				if math.Abs(float64(i[at]-sigmoid(v))) > 2e-7 || math.Abs(float64(g[at]-tanh(v))) > 2e-7 {
					t.Fatalf("of %v came sigmoid %v and tanh %v, of plain Go %v and %v", v, i[at], g[at], sigmoid(v), tanh(v))
				}
			}
		}
	})
}
