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

	// more is a second a, whose columns meet the rows of b that follow; nil for
	// none. Its strides and what else is needed once a tile are not kept in
	// registers.
	more Register
}

// columnBytes leads to the next column of a.
func (p product) columnBytes(a Register) {
	if p.cs == nil {
		ADDQ(Imm(4), a)
	} else {
		ADDQ(p.cs, a)
	}
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
	b := GP64()
	MOVQ(p.b, b)
	k := p.k
	if k == nil {
		k = param("k")
	}
	p.sum(name, acc, p.a, p.rs, b, k)
	if p.more != nil {
		k, rs := param("k2"), param("rs2")
		TESTQ(k, k)
		JZ(LabelRef(name + "Done"))
		p.sum(name+"More", acc, p.more, rs, b, k)
		Label(name + "Done")
	}

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

// sum adds k products to acc, and leads b beyond their rows.
func (p product) sum(name string, acc [][2]VecVirtual, from, rs, b, k Register) {
	rows := len(acc)
	a, count := [2]Register{GP64(), GP64()}, GP64()
	MOVQ(from, a[0])
	if rows > 3 {
		LEAQ(Mem{Base: a[0], Index: rs, Scale: 2}, a[1])
		ADDQ(rs, a[1])
	}
	MOVQ(k, count)

	Label(name)
	v := [2]VecVirtual{YMM(), YMM()}
	for half := range 2 {
		p.loadB(Mem{Base: b, Disp: lane * half}, v[half], half)
	}
	ADDQ(p.bs, b)
	for i := range rows {
		s := YMM()
		VBROADCASTSS(strided(a[i/3], rs, i%3), s)
		for half := range 2 {
			VFMADD231PS(v[half], s, acc[i][half])
		}
	}
	p.columnBytes(a[0])
	if rows > 3 {
		p.columnBytes(a[1])
	}
	DECQ(count)
	JNZ(LabelRef(name))
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
	steps := []struct{ at, stride Register }{{p.a, p.rs}, {p.c, p.ldc}}
	if p.more != nil {
		steps = append(steps, struct{ at, stride Register }{p.more, param("rs2")})
	}
	for _, step := range steps {
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
	TEXT("affineAVX2", NOSPLIT, "func(m, k int, a *float32, rs, k2 int, a2 *float32, rs2 int, b *float32, bs int, bias, c *float32, ldc int)")
	Pragma("noescape")
	Doc("affineAVX2 sets m rows of 16 columns of c to bias and adds two products: of a and",
		"the first k rows of b, and of a2 and the k2 that follow, which may be none. Strides",
		"are in bytes; columns of a and a2 follow each other.")
	m := param("m")
	p := product{
		a: param("a"), rs: param("rs"), more: param("a2"),
		b: param("b"), bs: param("bs"), c: param("c"), ldc: param("ldc"),
	}
	p.loadB = func(at Mem, v VecVirtual, _ int) { VMOVUPS(at, v) }
	p.addC = func(at Mem, acc VecVirtual, half int) {
		bias := param("bias")
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
	b, bs, ps, c := param("b"), param("bs"), param("ps"), param("c")
	w := newWide(b, ps)
	w.sum("rowSum", a, cs, bs, k)
	for i, acc := range w.acc {
		at := Mem{Base: c, Disp: lane * i}
		VADDPS(at, acc, acc)
		VMOVUPS(acc, at)
	}
	VZEROUPPER()
	RET()
}

func affineRow() {
	TEXT("affineRowAVX2", NOSPLIT, "func(k int, a *float32, k2 int, a2, b *float32, bs, ps int, bias, c *float32)")
	Pragma("noescape")
	Doc("affineRowAVX2 is affineAVX2 for one row of 64 columns; ps leads to b's next 16.")
	k, a, k2, a2 := param("k"), param("a"), param("k2"), param("a2")
	b, bs, ps := param("b"), param("bs"), param("ps")
	w := newWide(b, ps)
	next := GP64()
	MOVQ(U32(4), next)
	w.sum("affineRowSum", a, next, bs, k)
	TESTQ(k2, k2)
	JZ(LabelRef("affineRowDone"))
	w.sum("affineRowMore", a2, next, bs, k2)
	Label("affineRowDone")
	bias, c := param("bias"), param("c")
	for i, acc := range w.acc {
		VADDPS(Mem{Base: bias, Disp: lane * i}, acc, acc)
		VMOVUPS(acc, Mem{Base: c, Disp: lane * i})
	}
	VZEROUPPER()
	RET()
}

// wide is one row of 64 sums, and where in b they stand.
type wide struct {
	acc [8]VecVirtual
	b   [4]Register
	off Register
}

func newWide(b, ps Register) (w wide) {
	w.b[0] = b
	for i := 1; i < 4; i++ {
		w.b[i] = GP64()
		LEAQ(Mem{Base: w.b[i-1], Index: ps, Scale: 1}, w.b[i])
	}
	for i := range w.acc {
		w.acc[i] = YMM()
		VXORPS(w.acc[i], w.acc[i], w.acc[i])
	}
	w.off = GP64()
	XORQ(w.off, w.off)
	return w
}

// sum adds k products. It overwrites a and k.
func (w wide) sum(name string, a, cs, bs, k Register) {
	Label(name)
	s := YMM()
	VBROADCASTSS(Mem{Base: a}, s)
	for i := range w.acc {
		VFMADD231PS(Mem{Base: w.b[i/2], Index: w.off, Scale: 1, Disp: lane * (i % 2)}, s, w.acc[i])
	}
	ADDQ(cs, a)
	ADDQ(bs, w.off)
	DECQ(k)
	JNZ(LabelRef(name))
}
