package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func exponential(mask Mem) {
	TEXT("expAVX2", NOSPLIT, "func(n int, x *float32)")
	Pragma("noescape")
	Doc("expAVX2 is Exp for n of at least 1.")
	once := GP64()
	MOVQ(U32(1), once)
	x := param("x")
	w := &cells{name: "exp", h: param("n"), narrow: []Register{x}}
	w.walk(mask, once, func(string) {
		v := w.load(x, 0)
		bound(v)
		q, s := exp(v)
		VADDPS(constant("one", 1), q[0], q[0])
		VMULPS(s[0], q[0], q[0])
		w.store(q[0], x, 0)
	})
}

func gates(mask Mem) {
	TEXT("gatesAVX2", NOSPLIT, "func(h, batch int, z, prevC, c, tanhC, hOut *float32)")
	Pragma("noescape")
	Doc("gatesAVX2 is Gates for h and batch of at least 1; prevC may be nil.")
	batch := param("batch")
	z, c, tanhC, hOut := param("z"), param("c"), param("tanhC"), param("hOut")
	w := &cells{name: "gates", h: param("h"), wide: []Register{z}, narrow: []Register{c, tanhC, hOut}}
	prev, isFirst := previous(w)
	w.walk(mask, batch, func(part string) {
		i, f, g := w.load(z, 0), w.load(z, 1), w.load(z, 2)
		sigmoidOf(i)
		sigmoidOf(f)
		sign := tanhOf(g)
		q, s := exp(i, f, g)
		i, f, g = q[0], q[1], q[2]
		sigmoid(i, s[0])
		sigmoid(f, s[1])
		tanh(g, s[2], sign)
		w.store(i, z, 0)
		w.store(f, z, 1)
		w.store(g, z, 2)

		v := YMM()
		VMULPS(i, g, v)
		isFirst(part + "First")
		VFMADD231PS(w.load(prev, 0), f, v)
		Label(part + "First")
		w.store(v, c, 0)

		o := w.load(z, 3)
		sigmoidOf(o)
		sign = tanhOf(v)
		q, s = exp(o, v)
		o, t := q[0], q[1]
		sigmoid(o, s[0])
		tanh(t, s[1], sign)
		w.store(o, z, 3)
		w.store(t, tanhC, 0)
		VMULPS(o, t, t)
		w.store(t, hOut, 0)
	})
}

func gatesGradient(mask Mem) {
	TEXT("gatesGradientAVX2", NOSPLIT, "func(h, batch int, gates, tanhC, prevC, dh, dHnext, dC, dGates *float32)")
	Pragma("noescape")
	Doc("gatesGradientAVX2 is GatesGradient for h and batch of at least 1; prevC may be nil.")
	batch := param("batch")
	gates, dGates := param("gates"), param("dGates")
	tanhC, dh, dHnext, dC := param("tanhC"), param("dh"), param("dHnext"), param("dC")
	w := &cells{
		name: "gradient", h: param("h"),
		wide: []Register{gates, dGates}, narrow: []Register{tanhC, dh, dHnext, dC},
	}
	prev, isFirst := previous(w)
	one := YMM()
	VMOVUPS(constant("one", 1), one)
	w.walk(mask, batch, func(part string) {
		i, f, g, o := w.load(gates, 0), w.load(gates, 1), w.load(gates, 2), w.load(gates, 3)
		d, t, slope := w.load(dh, 0), w.load(tanhC, 0), YMM()
		VADDPS(w.load(dHnext, 0), d, d)

		// The output gate: d * t * o * (1-o).
		VSUBPS(o, one, slope)
		VMULPS(o, d, o) // d*o from here on
		VMULPS(o, slope, slope)
		VMULPS(t, slope, slope)
		w.store(slope, dGates, 3)

		// The cell: what came from later, and d * o * (1-t*t).
		dc := w.load(dC, 0)
		VMOVAPS(one, slope)
		VFNMADD231PS(t, t, slope)
		VFMADD231PS(o, slope, dc)

		// The candidate: dc * i * (1-g*g).
		VMULPS(i, dc, d)
		VMOVAPS(one, slope)
		VFNMADD231PS(g, g, slope)
		VMULPS(d, slope, slope)
		w.store(slope, dGates, 2)

		// The input gate: dc * g * i * (1-i).
		VSUBPS(i, one, slope)
		VMULPS(d, slope, slope)
		VMULPS(g, slope, slope)
		w.store(slope, dGates, 0)

		// What flows on to the cell before, and the forget gate:
		// dc * f * prev * (1-f).
		VMULPS(f, dc, dc)
		w.store(dc, dC, 0)
		VXORPS(slope, slope, slope)
		isFirst(part + "First")
		VSUBPS(f, one, slope)
		VMULPS(dc, slope, slope)
		VMULPS(w.load(prev, 0), slope, slope)
		Label(part + "First")
		w.store(slope, dGates, 1)
	})
}

// previous loads prevC, which may be nil; isFirst jumps where it is. The pointer
// walks along with the others either way, so what was given is kept apart.
func previous(w *cells) (prev Register, isFirst func(label string)) {
	prev = param("prevC")
	given := GP64()
	MOVQ(prev, given)
	w.narrow = append(w.narrow, prev)
	return prev, func(label string) {
		TESTQ(given, given)
		JZ(LabelRef(label))
	}
}
