package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func adam(mask Mem) {
	TEXT("adamAVX2", NOSPLIT, "func(n int, w, dw, m, v, by *float32)")
	Pragma("noescape")
	Doc("adamAVX2 is Adam for n of at least 1. by points to what keeps m and adds to it,",
		"the same for v, what v is divided by, epsilon and the rate.")
	at := param("by")
	var by [7]VecVirtual
	for i := range by {
		by[i] = YMM()
		VBROADCASTSS(Mem{Base: at, Disp: 4 * i}, by[i])
	}
	keepM, addM, keepV, addV, unbias, epsilon, rate := by[0], by[1], by[2], by[3], by[4], by[5], by[6]
	once := GP64()
	MOVQ(U32(1), once)
	w, g, m, v := param("w"), param("dw"), param("m"), param("v")
	c := &cells{name: "adam", h: param("n"), narrow: []Register{w, g, m, v}}
	c.walk(mask, once, func(string) {
		grad, mean, square := c.load(g, 0), c.load(m, 0), c.load(v, 0)
		VMULPS(keepM, mean, mean)
		VFMADD231PS(addM, grad, mean)
		c.store(mean, m, 0)
		VMULPS(grad, grad, grad)
		VMULPS(keepV, square, square)
		VFMADD231PS(addV, grad, square)
		c.store(square, v, 0)
		VMULPS(unbias, square, square)
		VSQRTPS(square, square)
		VADDPS(epsilon, square, square)
		VDIVPS(square, mean, mean)
		weight := c.load(w, 0)
		VFNMADD231PS(rate, mean, weight)
		c.store(weight, w, 0)
		VXORPS(grad, grad, grad)
		c.store(grad, g, 0)
	})
}
