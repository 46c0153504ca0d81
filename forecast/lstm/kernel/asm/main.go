// Command asm writes the AVX2 kernels of the package above it. It is a module
// of its own, so that the generator is no dependency of the product.
package main

import . "github.com/mmcloughlin/avo/build"

func main() {
	ConstraintExpr("!purego")
	mask := laneMask()
	panel()
	affine()
	edge(mask)
	row()
	affineRow()
	exponential(mask)
	gates(mask)
	gatesGradient(mask)
	adam(mask)
	Generate()
}
