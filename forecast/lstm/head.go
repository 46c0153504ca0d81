package lstm

import (
	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/feature"
)

// The network's last layer gives, for one example, in this order:
//
//	for each of the horizon's bins, a weight for each base
//	for each of the horizon's bins, a weight for each shape
//	for each step of the horizon, an offset for each quantile level
//	for each peak window, an offset for each quantile level
//
// The softmax of the first weights mixes the bases into one expected course, to
// which the logistic function of the others adds the shapes; a quantile of a
// step is that course plus its offset. A quantile of the largest
// rate in a window is the highest point of the course so far plus its offset.
const (
	mixed   = feature.Bins * feature.Bases
	shaped  = feature.Bins * feature.Shapes
	offsets = mixed + shaped // where they begin
	stepped = forecast.Horizon * forecast.NumLevels
	outputs = offsets + stepped + peakWindows*forecast.NumLevels

	peakWindows = 10
	bases       = forecast.Horizon * feature.Columns // of one example
	binSteps    = forecast.Horizon / feature.Bins
)

// windows are the peak windows in steps; those between are interpolated.
func windows() [peakWindows]int { return [...]int{2, 3, 5, 7, 10, 15, 20, 30, 45, 60} }

// mixture is how the columns of each bin are weighed: the bases by weights that
// sum to one, each shape by one from 0 to 1.
type mixture[F float] struct {
	arithmetic[F]
	weights [feature.Bins][feature.Columns]F
	e       [mixed + shaped]F // exponentials on the way there
}

// course mixes the rows of base [Horizon, Columns] of one example into dst, and
// leaves the weights in m.
func (m *mixture[F]) course(out, base, dst []F) {
	for at := 0; at < mixed; at += feature.Bases {
		v := (*[feature.Bases]F)(out[at:])
		top := v[0]
		for _, x := range v {
			top = max(top, x)
		}
		for i, x := range v {
			m.e[at+i] = x - top
		}
	}
	for i, x := range out[mixed : mixed+shaped] {
		m.e[mixed+i] = -x
	}
	m.exp(m.e[:])
	for bin := range m.weights {
		w := &m.weights[bin]
		e := (*[feature.Bases]F)(m.e[bin*feature.Bases:])
		var sum F
		for _, x := range e {
			sum += x
		}
		for i, x := range e {
			w[i] = x / sum
		}
		for i, x := range m.e[mixed+bin*feature.Shapes:][:feature.Shapes] {
			w[feature.Bases+i] = 1 / (1 + x)
		}
		for h := bin * binSteps; h < (bin+1)*binSteps; h++ {
			b := (*[feature.Columns]F)(base[h*feature.Columns:])
			// Sums that do not wait for each other.
			var s [4]F
			k := 0
			for ; k+len(s) <= feature.Columns; k += len(s) {
				s[0] += w[k] * b[k]
				s[1] += w[k+1] * b[k+1]
				s[2] += w[k+2] * b[k+2]
				s[3] += w[k+3] * b[k+3]
			}
			for ; k < feature.Columns; k++ {
				s[k%len(s)] += w[k] * b[k]
			}
			dst[h] = (s[0] + s[1]) + (s[2] + s[3])
		}
	}
}

// gradient adds the gradient by the weights' outputs to d, for that by the
// course.
func (m *mixture[F]) gradient(base, byCourse, d []F) {
	for bin := range m.weights {
		w := &m.weights[bin]
		dBase := d[bin*feature.Bases : (bin+1)*feature.Bases]
		dShape := d[mixed+bin*feature.Shapes : mixed+(bin+1)*feature.Shapes]
		for h := bin * binSteps; h < (bin+1)*binSteps; h++ {
			g := byCourse[h]
			if g == 0 {
				continue
			}
			row := base[h*feature.Columns : (h+1)*feature.Columns]
			var mean F
			for k, b := range row[:feature.Bases] {
				mean += w[k] * b
			}
			for k, b := range row[:feature.Bases] {
				dBase[k] += g * w[k] * (b - mean)
			}
			for i, b := range row[feature.Bases:] {
				p := w[feature.Bases+i]
				dShape[i] += g * b * p * (1 - p)
			}
		}
	}
}

// loss is the pinball loss of a batch over all steps, peaks and levels
// (Koenker and Bassett, 1978), and its gradient by the network's output.
type loss[F float] struct {
	batch int
	d     []F // [batch, outputs], the gradient
	each  []F // [batch], the loss of each example, its weight included
	path  [forecast.Horizon]F
	dPath [forecast.Horizon]F
	mix   mixture[F]
	level [forecast.NumLevels]F
	wins  [peakWindows]int
}

// peakShare is how much the peaks count beside the steps.
const peakShare = 0.25

func newLoss[F float](k arithmetic[F], batch int) *loss[F] {
	l := &loss[F]{batch: batch, d: make([]F, batch*outputs), each: make([]F, batch), wins: windows()}
	l.mix.arithmetic = k
	for i, v := range forecast.Levels() {
		l.level[i] = F(v)
	}
	return l
}

// targets is the length of the truth of one example: the steps, then the
// peaks; NaN where it is not known.
const targets = forecast.Horizon + peakWindows

// forward gives the mean loss of the batch: for each example its weight times
// the mean pinball loss over the known steps and levels. out is
// [batch, outputs], base [batch, Horizon*Columns], truth [batch, targets] and
// weight [batch]. It leaves the gradient in d, and each example's part in each.
func (l *loss[F]) forward(out, base, truth, weight []F) F {
	clear(l.d)
	clear(l.each)
	for b := range l.batch {
		o, d := out[b*outputs:(b+1)*outputs], l.d[b*outputs:(b+1)*outputs]
		rows := base[b*bases : (b+1)*bases]
		want := truth[b*targets : (b+1)*targets]
		l.mix.course(o, rows, l.path[:])
		clear(l.dPath[:])
		n := 0
		for _, y := range want[:forecast.Horizon] {
			if y == y {
				n++
			}
		}
		if n == 0 {
			continue
		}
		unit := weight[b] / F(l.batch) / F(n*forecast.NumLevels)
		for h, y := range want[:forecast.Horizon] {
			if y != y {
				continue
			}
			at := offsets + h*forecast.NumLevels
			s, g := l.pinball(y-l.path[h], o[at:at+forecast.NumLevels], d[at:at+forecast.NumLevels], unit)
			l.each[b] += s
			l.dPath[h] += g
		}
		unit *= peakShare * F(n) / peakWindows
		top, h := 0, 0
		for i, w := range l.wins {
			for ; h < w; h++ {
				if l.path[h] > l.path[top] {
					top = h
				}
			}
			y := want[forecast.Horizon+i]
			if y != y {
				continue
			}
			at := offsets + stepped + i*forecast.NumLevels
			s, g := l.pinball(y-l.path[top], o[at:at+forecast.NumLevels], d[at:at+forecast.NumLevels], unit)
			l.each[b] += s
			l.dPath[top] += g
		}
		l.mix.gradient(rows, l.dPath[:], d)
	}
	var sum F
	for b, v := range l.each {
		sum += v
		l.each[b] = v * F(l.batch)
	}
	return sum
}

// pinball gives the loss of y over all levels, writes its gradient by each
// offset, and gives its gradient by the course.
func (l *loss[F]) pinball(y F, offset, d []F, unit F) (sum, dPath F) {
	offset, d = offset[:forecast.NumLevels], d[:forecast.NumLevels]
	for q, level := range l.level {
		e := y - offset[q]
		// On which side the truth lies is anybody's guess: no jump.
		above := 0
		if e > 0 {
			above = 1
		}
		g := unit * (1 - level - F(above))
		sum -= g * e
		d[q] = g
		dPath += g
	}
	return sum, dPath
}

// lossOp is l as an op: the output [batch, outputs], the bases, the truth and
// the weights of the examples give a scalar.
func lossOp[F float](l *loss[F]) *op[F] {
	return &op[F]{
		name: "pinball", in: []int{2, 2, 2, 1}, out: scalar(),
		do: func(out []F, in [][]F) { out[0] = l.forward(in[0], in[1], in[2], in[3]) },
		gradients: []*op[F]{{
			name: "pinball by output", in: []int{2, 2, 2, 1, 0}, out: []int{l.batch, outputs},
			do: func(out []F, in [][]F) {
				for i, v := range l.d {
					out[i] = v * in[4][0]
				}
			},
		}, nil, nil, nil},
	}
}

// quantiles turns the network's output for one example into a forecast's steps
// and peaks, in rates. It leaves the weights in mix.
func quantiles(mix *mixture[float32], out, base []float32, s feature.Scale) (steps, peaks []forecast.Quantiles) {
	var path [forecast.Horizon]float32
	mix.course(out, base, path[:])
	steps = make([]forecast.Quantiles, forecast.Horizon)
	for h := range steps {
		steps[h] = rates(out[offsets+h*forecast.NumLevels:], path[h], s)
	}
	peaks = make([]forecast.Quantiles, forecast.Horizon)
	peaks[0] = steps[0]
	top, from := 0, 1
	for i, w := range windows() {
		for h := from; h < w; h++ {
			if path[h] > path[top] {
				top = h
			}
		}
		peaks[w-1] = rates(out[offsets+stepped+i*forecast.NumLevels:], path[top], s)
		for v := from + 1; v < w; v++ {
			f := float64(v-from) / float64(w-from)
			for q := range peaks[v-1] {
				peaks[v-1][q] = peaks[from-1][q] + f*(peaks[w-1][q]-peaks[from-1][q])
			}
		}
		from = w
	}
	// The largest of more is never smaller.
	for w := 1; w < len(peaks); w++ {
		for q := range peaks[w] {
			peaks[w][q] = max(peaks[w][q], peaks[w-1][q])
		}
	}
	return steps, peaks
}

// rates are the quantiles at offsets from a course. Offsets that cross are put
// in order, which never makes the loss larger (Chernozhukov et al., 2010).
func rates(offset []float32, at float32, s feature.Scale) forecast.Quantiles {
	var q forecast.Quantiles
	for i := range q {
		v := s.Rate(float64(at + offset[i]))
		j := i
		for ; j > 0 && q[j-1] > v; j-- {
			q[j] = q[j-1]
		}
		q[j] = v
	}
	return q
}
