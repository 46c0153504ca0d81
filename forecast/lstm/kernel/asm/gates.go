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

// exp returns q and s with exp(x) = (q+1)*s: s is the power of two that leaves
// a remainder r within half of ln 2, and q is exp(r)-1, by its Taylor series up
// to r^7, which is short of the whole by less than a quarter of a float32's
// last bit. x must lie between -87 and 89; NaN makes q NaN.
func exp(x VecVirtual) (q, s VecVirtual) {
	ln2Hi := math.Float32frombits(math.Float32bits(math.Ln2) &^ 0xfff)

	s = YMM()
	n, r := YMM(), YMM()
	VMULPS(constant("log2e", math.Log2E), x, n)
	VCVTPS2DQ(n, s)
	VCVTDQ2PS(s, n)
	VMOVAPS(x, r)
	VFNMADD231PS(constant("ln2Hi", float64(ln2Hi)), n, r)
	VFNMADD231PS(constant("ln2Lo", math.Ln2-float64(ln2Hi)), n, r)
	VPADDD(vector("exponentBias", 127), s, s)
	VPSLLD(Imm(23), s, s)

	q = YMM()
	VMOVUPS(constant("inverse7", 1./5040), q)
	VFMADD213PS(constant("inverse6", 1./720), r, q)
	VFMADD213PS(constant("inverse5", 1./120), r, q)
	VFMADD213PS(constant("inverse4", 1./24), r, q)
	VFMADD213PS(constant("inverse3", 1./6), r, q)
	VFMADD213PS(constant("inverse2", 1./2), r, q)
	VMULPS(r, q, q)
	VFMADD213PS(r, r, q)
	return q, s
}

// sigmoid returns 1/(1+exp(-x)). Of two operands of which one is NaN, min and
// max return Go's first: x comes first, so that a NaN stays one.
func sigmoid(x VecVirtual) VecVirtual {
	y, limit := YMM(), YMM()
	VXORPS(vector("signBit", 1<<31), x, y)
	VMOVUPS(constant("expMost", 89), limit)
	VMINPS(y, limit, y)
	VMOVUPS(constant("expLeast", -87), limit)
	VMAXPS(y, limit, y)
	q, s := exp(y)
	one := YMM()
	VMOVUPS(constant("one", 1), one)
	VADDPS(one, q, q)
	VFMADD213PS(one, s, q)
	VDIVPS(q, one, q)
	return q
}

// tanh returns e/(e+2) with e = exp(2|x|)-1, under the sign of x; unlike
// 1-2/(exp(2x)+1) it loses nothing near zero. From 2|x| = 40 on it is 1.
func tanh(x VecVirtual) VecVirtual {
	y, sign, limit := YMM(), YMM(), YMM()
	VANDPS(vector("signBit", 1<<31), x, sign)
	VXORPS(sign, x, y)
	VADDPS(y, y, y)
	VMOVUPS(constant("tanhMost", 40), limit)
	VMINPS(y, limit, y)
	q, s := exp(y)
	less := YMM()
	VSUBPS(constant("one", 1), s, less)
	VFMADD213PS(less, s, q)
	VADDPS(constant("two", 2), q, less)
	VDIVPS(less, q, q)
	VORPS(sign, q, q)
	return q
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
