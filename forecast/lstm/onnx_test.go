package lstm

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/foretide/foretide/forecast/feature"
)

// onnx is the network for n examples in the Open Neural Network Exchange
// format: one LSTM operator and two fused dense layers, all shapes fixed, so
// that a runtime can plan everything beforehand.
func onnx(z size, p parameters, n int) []byte {
	h := z.hidden
	steps, channels, statics := feature.Steps, feature.Channels, feature.Statics
	var g message
	g.node("LSTM", []string{"x", "w", "r", "b"}, []string{"", "last"}, attribute{"hidden_size", int64(h)})
	g.node("Reshape", []string{"last", "shape"}, []string{"state"})
	g.node("Concat", []string{"state", "static"}, []string{"both"}, attribute{"axis", 1})
	g.node("Gemm", []string{"both", "w1", "b1"}, []string{"sum"})
	g.node("Relu", []string{"sum"}, []string{"mid"})
	g.node("Gemm", []string{"mid", "w2", "b2"}, []string{"out"})
	g.text(2, "network")
	// Its gates stand in the order input, output, forget, candidate, and its
	// weights are transposed; the recurrence has a bias of its own.
	rows := func(from, to int) []float32 {
		v := make([]float32, 0, 4*h*(to-from))
		for _, gate := range []int{0, 3, 1, 2} {
			for j := gate * h; j < (gate+1)*h; j++ {
				for i := from; i < to; i++ {
					v = append(v, p[0][i*4*h+j])
				}
			}
		}
		return v
	}
	g.tensor("w", rows(0, channels), 1, 4*h, channels)
	g.tensor("r", rows(channels, channels+h), 1, 4*h, h)
	g.tensor("b", append(rows(channels+h, channels+h+1), make([]float32, 4*h)...), 1, 8*h)
	g.shape("shape", int64(n), int64(h))
	for i, name := range []string{"1", "2"} {
		s := z.shapes()[i+1]
		in, out := s[0]-1, s[1]
		g.tensor("w"+name, p[i+1][:in*out], in, out)
		g.tensor("b"+name, p[i+1][in*out:], out)
	}
	g.value(11, "x", steps, n, channels)
	g.value(11, "static", n, statics)
	g.value(12, "out", n, outputs)

	var opset, m message
	opset.number(2, 17)
	m.number(1, 8) // the format's version
	m.bytes(7, g)
	m.bytes(8, opset)
	return m
}

// message is a protocol buffer under construction. The numbers are those of
// the format's fields.
type message []byte

func (m *message) bytes(field protowire.Number, v []byte) {
	*m = protowire.AppendBytes(protowire.AppendTag(*m, field, protowire.BytesType), v)
}

func (m *message) text(field protowire.Number, v string) { m.bytes(field, []byte(v)) }

func (m *message) number(field protowire.Number, v int64) {
	*m = protowire.AppendVarint(protowire.AppendTag(*m, field, protowire.VarintType), uint64(v))
}

type attribute struct {
	name  string
	value int64
}

func (m *message) node(kind string, in, out []string, attributes ...attribute) {
	var n message
	for _, s := range in {
		n.text(1, s)
	}
	for _, s := range out {
		n.text(2, s)
	}
	n.text(4, kind)
	for _, a := range attributes {
		var v message
		v.text(1, a.name)
		v.number(3, a.value)
		v.number(20, 2) // an integer
		n.bytes(5, v)
	}
	m.bytes(1, n)
}

func (m *message) tensor(name string, values []float32, dims ...int) {
	var t message
	for _, d := range dims {
		t.number(1, int64(d))
	}
	t.number(2, 1) // float32
	t.text(8, name)
	t.bytes(9, raw(values))
	m.bytes(5, t)
}

func (m *message) shape(name string, dims ...int64) {
	var t message
	t.number(1, int64(len(dims)))
	t.number(2, 7) // int64
	t.text(8, name)
	var b []byte
	for _, d := range dims {
		b = binary.LittleEndian.AppendUint64(b, uint64(d))
	}
	t.bytes(9, b)
	m.bytes(5, t)
}

func (m *message) value(field protowire.Number, name string, dims ...int) {
	var shape, kind, of, v message
	for _, d := range dims {
		var dim message
		dim.number(1, int64(d))
		shape.bytes(1, dim)
	}
	kind.number(1, 1) // float32
	kind.bytes(2, shape)
	of.bytes(1, kind)
	v.text(1, name)
	v.bytes(2, of)
	m.bytes(field, v)
}

// raw is v as little-endian bytes.
func raw(v []float32) []byte {
	b := make([]byte, 0, 4*len(v))
	for _, f := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
	}
	return b
}
