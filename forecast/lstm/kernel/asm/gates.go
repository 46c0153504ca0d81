package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// vector emits a read-only vector of one value, once.
func vector(name string, bits uint32) Mem {
	if m, ok := vectors[name]; ok {
		return m
	}
	m := GLOBL(name, RODATA|NOPTR)
	for i := range 8 {
		DATA(4*i, U32(bits))
	}
	vectors[name] = m
	return m
}

var vectors = map[string]Mem{}

func constant(name string, v float64) Mem {
	return vector(name, math.Float32bits(float32(v)))
}

// exp returns, for each x, q and s with exp(x) = (q+1)*s: s is the power of two
// that leaves a remainder r within half of ln 2, and q is exp(r)-1. x must lie
// between -87 and 89; NaN makes q NaN. A float32 holds ln 2 to 2e-9, so the
// relative error grows from nothing near zero to 2e-7 at the ends of the range,
// where sigmoid and tanh have long reached their limits.
//
// One exp is a long chain of instructions that wait for each other, so several
// are emitted in step. x is overwritten.
func exp(x ...VecVirtual) (q, s []VecVirtual) {
	each := func(emit func(i int)) {
		for i := range x {
			emit(i)
		}
	}
	// Adding 1.5*2^23 rounds x/ln 2 to a whole number and leaves it in the low
	// bits of the sum; with an exponent's bias, they need only be shifted.
	round := constant("round", 3<<22+127)
	n, r := vectorsFor(x), x
	s, q = vectorsFor(x), vectorsFor(x)
	each(func(i int) { VMOVUPS(round, s[i]) })
	each(func(i int) { VFMADD231PS(constant("log2e", math.Log2E), x[i], s[i]) })
	each(func(i int) { VSUBPS(round, s[i], n[i]) })
	each(func(i int) { VPSLLD(Imm(23), s[i], s[i]) })
	each(func(i int) { VFNMADD231PS(constant("ln2", math.Ln2), n[i], r[i]) })

	// r + r^2 * ((c2 + c3*r) + r^2 * ((c4 + c5*r) + r^2 * c6)): the polynomial
	// that equals (exp(r)-1-r)/r^2 at the five Chebyshev nodes of r's range. It
	// puts q off by less than half of a float32's last place.
	square := n
	each(func(i int) { VMULPS(r[i], r[i], square[i]) })
	each(func(i int) { VMOVUPS(constant("c5", 0.008363173074513711), q[i]) })
	each(func(i int) { VFMADD213PS(constant("c4", 0.041666554662050534), r[i], q[i]) })
	each(func(i int) { VFMADD231PS(constant("c6", 0.001392617611993558), square[i], q[i]) })
	each(func(i int) {
		low := YMM()
		VMOVUPS(constant("c3", 0.1666657702559799), low)
		VFMADD213PS(constant("c2", 0.5), r[i], low)
		VFMADD213PS(low, square[i], q[i])
	})
	each(func(i int) { VFMADD213PS(r[i], square[i], q[i]) })
	return q, s
}

func vectorsFor(x []VecVirtual) []VecVirtual {
	v := make([]VecVirtual, len(x))
	for i := range v {
		v[i] = YMM()
	}
	return v
}

// sigmoidOf turns x into what sigmoid makes of its exp.
func sigmoidOf(x VecVirtual) {
	VXORPS(vector("signBit", 1<<31), x, x)
	bound(x)
}

// bound puts x within exp's bounds. Of two operands of which one is NaN, min and
// max return Go's first: x comes first, so that a NaN stays one.
func bound(x VecVirtual) {
	limit := YMM()
	VMOVUPS(constant("expMost", 89), limit)
	VMINPS(x, limit, x)
	VMOVUPS(constant("expLeast", -87), limit)
	VMAXPS(x, limit, x)
}

// sigmoid returns 1/(1+exp(-x)), in q.
func sigmoid(q, s VecVirtual) {
	one := YMM()
	VMOVUPS(constant("one", 1), one)
	VADDPS(one, q, q)
	VFMADD213PS(one, s, q)
	VDIVPS(q, one, q)
}

// tanhOf turns x into what tanh makes of its exp, 2|x|, and returns x's sign.
// From 2|x| = 40 on tanh is 1.
func tanhOf(x VecVirtual) (sign VecVirtual) {
	limit := YMM()
	sign = YMM()
	VANDPS(vector("signBit", 1<<31), x, sign)
	VXORPS(sign, x, x)
	VADDPS(x, x, x)
	VMOVUPS(constant("tanhMost", 40), limit)
	VMINPS(x, limit, x)
	return sign
}

// tanh returns e/(e+2) with e = exp(2|x|)-1, under the sign of x, in q; unlike
// 1-2/(exp(2x)+1) it loses nothing near zero.
func tanh(q, s, sign VecVirtual) {
	part := YMM()
	VSUBPS(constant("one", 1), s, part)
	VFMADD213PS(part, s, q)
	VADDPS(constant("two", 2), q, part)
	VDIVPS(part, q, q)
	VORPS(sign, q, q)
}

// cells walks over batch rows of h cells, eight at a time and the rest under a
// mask, and emits the body for both. load and store take the pointer of an
// array of h or 4h columns, and which of the four columns.
type cells struct {
	name            string
	narrow          []Register // pointers into [batch, h]
	wide            []Register // pointers into [batch, 4h]
	h, width, three Register
	keep            VecVirtual // nil where all eight lanes are kept
}

func (w *cells) address(p Register, gate int) Mem {
	if gate == 3 {
		return Mem{Base: p, Index: w.three, Scale: 1}
	}
	return strided(p, w.width, gate)
}

func (w *cells) load(p Register, gate int) VecVirtual {
	v := YMM()
	if w.keep != nil {
		VMASKMOVPS(w.address(p, gate), w.keep, v)
	} else {
		VMOVUPS(w.address(p, gate), v)
	}
	return v
}

func (w *cells) store(v VecVirtual, p Register, gate int) {
	if w.keep != nil {
		VMASKMOVPS(v, w.keep, w.address(p, gate))
	} else {
		VMOVUPS(v, w.address(p, gate))
	}
}

func (w *cells) walk(mask Mem, batch Register, body func(part string)) {
	w.width, w.three = GP64(), GP64()
	MOVQ(w.h, w.width)
	SHLQ(Imm(2), w.width)
	LEAQ(Mem{Base: w.width, Index: w.width, Scale: 2}, w.three)

	Label(w.name + "Row")
	left := GP64()
	MOVQ(w.h, left)
	Label(w.name + "Eight")
	CMPQ(left, Imm(8))
	JL(LabelRef(w.name + "Rest"))
	body(w.name + "Whole")
	for _, p := range append(append([]Register{}, w.narrow...), w.wide...) {
		ADDQ(Imm(lane), p)
	}
	SUBQ(Imm(8), left)
	JMP(LabelRef(w.name + "Eight"))

	Label(w.name + "Rest")
	TESTQ(left, left)
	JZ(LabelRef(w.name + "RowDone"))
	at := window(mask, left, 8)
	w.keep = YMM()
	VMOVUPS(Mem{Base: at}, w.keep)
	body(w.name + "Part")
	for _, p := range append(append([]Register{}, w.narrow...), w.wide...) {
		LEAQ(Mem{Base: p, Index: left, Scale: 4}, p)
	}
	w.keep = nil

	Label(w.name + "RowDone")
	for _, p := range w.wide {
		ADDQ(w.three, p)
	}
	DECQ(batch)
	JNZ(LabelRef(w.name + "Row"))
	VZEROUPPER()
	RET()
}
