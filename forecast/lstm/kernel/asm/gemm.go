package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// lane is the width of a vector in bytes, columns of two vectors make a panel.
const lane = 32

// laneMask emits sixteen lanes of ones followed by sixteen of zeros. A window
// of sixteen that starts 16-n lanes into it keeps n lanes.
func laneMask() Mem {
	m := GLOBL("laneMask", RODATA|NOPTR)
	for i := range 32 {
		v := U32(0)
		if i < 16 {
			v = 0xffffffff
		}
		DATA(4*i, v)
	}
	return m
}

// window points r at the part of the lane mask that keeps the first n lanes of
// width.
func window(mask Mem, n Register, width int) Register {
	at, off := GP64(), GP64()
	LEAQ(mask.Offset(4*16), at)
	MOVQ(n, off)
	SHLQ(Imm(2), off)
	SUBQ(off, at)
	return at
}

// product is what a tile is computed from: strides in bytes, and how to touch
// the two vectors of a row of b and of c.
type product struct {
	k, a, rs, cs, b, bs, c, ldc Register

	loadB func(at Mem, v VecVirtual, half int)
	addC  func(at Mem, acc VecVirtual, half int)
}

// tile adds to rows of c, two vectors wide, the product of as many rows of a
// and a panel of b. All sums stay in registers until the end, in the order of
// k, so that a row's result does not depend on the tile it fell into.
func (p product) tile(name string, rows int) {
	acc := make([][2]VecVirtual, rows)
	for i := range acc {
		for half := range 2 {
			acc[i][half] = YMM()
			VXORPS(acc[i][half], acc[i][half], acc[i][half])
		}
	}
	a, b, count := [2]Register{GP64(), GP64()}, GP64(), GP64()
	MOVQ(p.a, a[0])
	if rows > 3 {
		LEAQ(Mem{Base: a[0], Index: p.rs, Scale: 2}, a[1])
		ADDQ(p.rs, a[1])
	}
	MOVQ(p.b, b)
	MOVQ(p.k, count)

	Label(name)
	v := [2]VecVirtual{YMM(), YMM()}
	for half := range 2 {
		p.loadB(Mem{Base: b, Disp: lane * half}, v[half], half)
	}
	ADDQ(p.bs, b)
	for i := range rows {
		s := YMM()
		VBROADCASTSS(strided(a[i/3], p.rs, i%3), s)
		for half := range 2 {
			VFMADD231PS(v[half], s, acc[i][half])
		}
	}
	ADDQ(p.cs, a[0])
	if rows > 3 {
		ADDQ(p.cs, a[1])
	}
	DECQ(count)
	JNZ(LabelRef(name))

	c := [2]Register{p.c, GP64()}
	if rows > 3 {
		LEAQ(Mem{Base: c[0], Index: p.ldc, Scale: 2}, c[1])
		ADDQ(p.ldc, c[1])
	}
	for i := range rows {
		for half := range 2 {
			at := strided(c[i/3], p.ldc, i%3)
			at.Disp = lane * half
			p.addC(at, acc[i][half], half)
		}
	}
}

// strided is the address n strides after base, n being 0, 1 or 2.
func strided(base, stride Register, n int) Mem {
	if n == 0 {
		return Mem{Base: base}
	}
	return Mem{Base: base, Index: stride, Scale: uint8(n)}
}

// rows walks down m rows of a and c in tiles of most rows, and ends with one
// smaller tile.
func (p product) rows(name string, m Register, most int) {
	Label(name + "Next")
	CMPQ(m, Imm(uint64(most)))
	JL(LabelRef(name + "Last"))
	p.tile(name+"Sum", most)
	for _, step := range []struct{ at, stride Register }{{p.a, p.rs}, {p.c, p.ldc}} {
		for n := most; n > 0; n -= 2 {
			if n == 1 {
				ADDQ(step.stride, step.at)
				break
			}
			LEAQ(Mem{Base: step.at, Index: step.stride, Scale: 2}, step.at)
		}
	}
	SUBQ(Imm(uint64(most)), m)
	JMP(LabelRef(name + "Next"))

	Label(name + "Last")
	last := func(rows int) string { return name + "Last" + string(rune('0'+rows)) }
	for rows := most - 1; rows > 0; rows-- {
		CMPQ(m, Imm(uint64(rows)))
		JEQ(LabelRef(last(rows)))
	}
	RET()
	for rows := most - 1; rows > 0; rows-- {
		Label(last(rows))
		p.tile(last(rows)+"Sum", rows)
		VZEROUPPER()
		RET()
	}
}

const productArgs = "m, k int, a *float32, rs, cs int, b *float32, bs int, c *float32, ldc int"

func param(name string) Register { return Load(Param(name), GP64()) }

func loadProduct() (p product, m Register) {
	m = param("m")
	return product{
		k: param("k"), a: param("a"), rs: param("rs"), cs: param("cs"),
		b: param("b"), bs: param("bs"), c: param("c"), ldc: param("ldc"),
	}, m
}

func panel() {
	TEXT("panelAVX2", NOSPLIT, "func("+productArgs+")")
	Pragma("noescape")
	Doc("panelAVX2 adds a product to m rows of 16 columns. All strides are in bytes:",
		"rs and cs lead to the next row and column of a, bs to the next row of b.")
	p, m := loadProduct()
	p.loadB = func(at Mem, v VecVirtual, _ int) { VMOVUPS(at, v) }
	p.addC = func(at Mem, acc VecVirtual, _ int) {
		VADDPS(at, acc, acc)
		VMOVUPS(acc, at)
	}
	p.rows("panel", m, 6)
}

func affine() {
	TEXT("affineAVX2", NOSPLIT, "func("+productArgs+", bias *float32)")
	Pragma("noescape")
	Doc("affineAVX2 is panelAVX2, but the product is added to bias and c is overwritten.")
	p, m := loadProduct()
	bias := param("bias")
	p.loadB = func(at Mem, v VecVirtual, _ int) { VMOVUPS(at, v) }
	p.addC = func(at Mem, acc VecVirtual, half int) {
		VADDPS(Mem{Base: bias, Disp: lane * half}, acc, acc)
		VMOVUPS(acc, at)
	}
	p.rows("affine", m, 6)
}

func edge(mask Mem) {
	TEXT("edgeAVX2", NOSPLIT, "func("+productArgs+", n int)")
	Pragma("noescape")
	Doc("edgeAVX2 is panelAVX2 for the n columns, fewer than 16, at the right edge;",
		"it touches no memory beyond them.")
	keep := [2]VecVirtual{YMM(), YMM()}
	at := window(mask, param("n"), 16)
	for half := range 2 {
		VMOVUPS(Mem{Base: at, Disp: lane * half}, keep[half])
	}
	p, m := loadProduct()
	p.loadB = func(at Mem, v VecVirtual, half int) { VMASKMOVPS(at, keep[half], v) }
	p.addC = func(at Mem, acc VecVirtual, half int) {
		old := YMM()
		VMASKMOVPS(at, keep[half], old)
		VADDPS(old, acc, acc)
		VMASKMOVPS(acc, keep[half], at)
	}
	p.rows("edge", m, 4)
}

// row is for a single row of a, where a tile of 16 columns would leave the
// multipliers waiting for each other: it takes 64 columns at once.
func row() {
	TEXT("rowAVX2", NOSPLIT, "func(k int, a *float32, cs int, b *float32, bs, ps int, c *float32)")
	Pragma("noescape")
	Doc("rowAVX2 adds a product to one row of 64 columns. Strides are in bytes: cs leads",
		"to the next column of a, bs to the next row of b, ps to b's next 16 columns.")
	k, a, cs := param("k"), param("a"), param("cs")
	bs, ps, c := param("bs"), param("ps"), param("c")
	var b [4]Register
	b[0] = param("b")
	for i := 1; i < 4; i++ {
		b[i] = GP64()
		LEAQ(Mem{Base: b[i-1], Index: ps, Scale: 1}, b[i])
	}
	var acc [8]VecVirtual
	for i := range acc {
		acc[i] = YMM()
		VXORPS(acc[i], acc[i], acc[i])
	}
	off := GP64()
	XORQ(off, off)
	Label("rowSum")
	s := YMM()
	VBROADCASTSS(Mem{Base: a}, s)
	for i := range acc {
		VFMADD231PS(Mem{Base: b[i/2], Index: off, Scale: 1, Disp: lane * (i % 2)}, s, acc[i])
	}
	ADDQ(cs, a)
	ADDQ(bs, off)
	DECQ(k)
	JNZ(LabelRef("rowSum"))
	for i := range acc {
		at := Mem{Base: c, Disp: lane * i}
		VADDPS(at, acc[i], acc[i])
		VMOVUPS(acc[i], at)
	}
	VZEROUPPER()
	RET()
}
