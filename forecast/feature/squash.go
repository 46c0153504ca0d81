package feature

import "math"

// squash keeps small numbers as they are and large ones within reach of the
// network: a rate a thousand units away is worth 7.6. It is the inverse
// hyperbolic sine to 1e-9.
func squash(z float64) float64 {
	x := math.Abs(z)
	if x < 1e8 {
		x += math.Sqrt(x*x + 1)
	} else {
		x *= 2
	}
	return math.Copysign(logarithm(x), z)
}

// logarithm is the natural one of x, which is above zero, to 1e-9: the package
// math is exact to the last bit of a float64, and takes three times as long for
// what ends as a float32.
func logarithm(x float64) float64 {
	if !(x < math.MaxFloat64) {
		return x
	}
	// x is m*2^e for m within a factor of √2 of 1.
	const half = 0x3fe6a09e667f3bcd // √½ in bits
	bits := math.Float64bits(x) - half
	e := int64(bits) >> 52
	m := math.Float64frombits(bits&(1<<52-1) + half)
	// The area tangent: log m = 2*(s + s³/3 + s⁵/5 + ...), of which the next term
	// is below 1e-9.
	s := (m - 1) / (m + 1)
	q := s * s
	p := (1./3 + q*(1./5)) + q*q*(1./7+q*(1./9))
	return (float64(e)*math.Ln2 + 2*s) + 2*s*q*p
}
