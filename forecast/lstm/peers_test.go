//go:build unix

package lstm

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/feature"
)

// BenchmarkPeers runs this network, and the same network, weights and data in
// PyTorch and ONNX Runtime, alternately and on one thread each. It reports our
// processor time as a ratio of theirs, after it has checked that the numbers
// agree. bench/README.md tells how to install them; who is not there is
// skipped.
func BenchmarkPeers(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	folder := b.TempDir()
	z := standard()
	p := z.initial(rand.New(rand.NewPCG(1, 2)))
	write(b, folder, z, p)

	cache, _ := os.UserCacheDir()
	installed := env("FORETIDE_ONNXRUNTIME", filepath.Join(cache, "foretide", "onnxruntime"))
	for _, peer := range []struct {
		name    string
		command []string
		install string
		cases   []rivalry
	}{
		{
			"pytorch", []string{env("FORETIDE_PYTHON", "/usr/bin/python3"), "bench/pytorch.py", folder},
			"apt-get install python3-torch libopenblas0-pthread",
			[]rivalry{{"train-step", 64}, {"infer", 64}},
		}, {
			"onnxruntime", []string{"node", "bench/onnxruntime.js", folder, installed},
			"npm install --ignore-scripts --prefix " + installed + " onnxruntime-node",
			[]rivalry{{"infer", 64}, {"infer", 256}, {"infer", 1}},
		},
	} {
		other, err := launch(b, peer.command)
		if err != nil {
			for _, c := range peer.cases {
				fmt.Printf("BENCH %s/%s skipped: %v; to install it: %s\n", c, peer.name, err, peer.install)
			}
			continue
		}
		fmt.Printf("%s: %s\n", peer.name, other.version)
		for _, c := range peer.cases {
			b.Run(c.String()+"/"+peer.name, func(b *testing.B) { c.run(b, folder, z, p, other) })
		}
	}
}

func env(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// rivalry is what is compared: training steps or inference, of batches of n.
type rivalry struct {
	kind string
	n    int
}

func (c rivalry) String() string {
	if c.kind == "infer" {
		return fmt.Sprintf("infer-%d", c.n)
	}
	return c.kind
}

// checked is how many runs of each kind are compared: a few steps of training,
// so that gradients and the solver are the same too.
func (c rivalry) checked() int {
	if c.kind == "infer" {
		return 1
	}
	return 4
}

// ours gives a function that runs the network some times over and tells what
// came out: the last output, or the loss of each step.
func (c rivalry) ours(b *testing.B, z size, p parameters) func(times int) []float32 {
	if c.kind == "infer" {
		return inference(z, p, c.n)
	}
	return training(b, z, p, c.n)
}

func (c rivalry) run(b *testing.B, folder string, z size, p parameters, other *peer) {
	ours := c.ours(b, z, p)
	got := ours(c.checked())
	other.ask(b, "check", c, c.checked())
	want := read32(b, filepath.Join(folder, "answer.f32"))
	if len(got) != len(want) {
		b.Fatalf("%d numbers, the peer gives %d", len(got), len(want))
	}
	if d := furthest(got, want); !(d < 1e-4) {
		b.Fatalf("the peer computes something else: up to %g apart, want less than 1e-4", d)
	}

	// As many times a round as take a tenth of a second or so: short enough to
	// share what disturbs them, long enough to count.
	times := 1
	for ; processorTime(b, func() { ours(times) }) < 0.05; times *= 2 {
	}
	var mine, theirs, ratios []float64
	round := func() {
		m := processorTime(b, func() { ours(times) })
		t := other.ask(b, "run", c, times)
		mine, theirs, ratios = append(mine, m), append(theirs, t), append(ratios, m/t)
	}
	for b.Loop() {
		round()
	}
	for len(ratios) < 15 {
		round()
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(1e3*median(mine)/float64(times), "ms")
	b.ReportMetric(1e3*median(theirs)/float64(times), "peer-ms")
	b.ReportMetric(median(ratios), "ratio")
}

// noisy fills b with what a network may see, minutes missing included. It is
// the same at each call.
func noisy(b *batch[float32]) {
	r := rand.New(rand.NewPCG(3, uint64(b.n)))
	for _, v := range [][]float32{b.x, b.static, b.base, b.truth} {
		copy(v, normal[float32](r, len(v), 1))
	}
	for i := range b.truth {
		if r.IntN(100) == 0 {
			b.truth[i] = float32(math.NaN())
		}
	}
	for i := range b.weight {
		b.weight[i] = 0.5 + r.Float32()
	}
}

func inference(z size, p parameters, n int) func(int) []float32 {
	e := newEngine(z, n)
	noisy(e.batch)
	return func(times int) (out []float32) {
		for range times {
			out = e.run(p)
		}
		return out
	}
}

// rate is the learning rate of the steps compared.
const rate = 1e-3

func training(b *testing.B, z size, p parameters, n int) func(int) []float32 {
	var weights [3]*tensor.Dense
	for i, s := range z.shapes() {
		weights[i] = tensor.New(tensor.WithShape(s...), tensor.WithBacking(slices.Clone(p[i])))
	}
	g, err := newGraph(fast{}, z, n, weights)
	if err != nil {
		b.Fatal(err)
	}
	noisy(g.batch)
	// The solver is the one that Fit takes, whichever that is.
	cart := daily("cart", 1, 1)
	f, err := newFitter(newSources([]forecast.History{cart}, FitOptions{Truth: []forecast.Series{cart.Series}, HeldBack: 0.1}), FitOptions{})
	if err != nil {
		b.Fatal(err)
	}
	var solver G.Solver = f.solver
	if own, ok := solver.(*adam); ok {
		own.rate = rate
	} else {
		G.WithLearnRate(rate)(solver)
	}
	return func(times int) []float32 {
		losses := make([]float32, times)
		for i := range losses {
			var err error
			if losses[i], err = g.run(); err != nil {
				b.Fatal(err)
			}
			if err := solver.Step(g.weights); err != nil {
				b.Fatal(err)
			}
		}
		return losses
	}
}

// write tells the peers all about the network.
func write(b *testing.B, folder string, z size, p parameters) {
	b.Helper()
	put := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	wins, levels := windows(), forecast.Levels()
	text, err := json.Marshal(map[string]any{
		"steps": feature.Steps, "channels": feature.Channels, "statics": feature.Statics,
		"bins": feature.Bins, "bases": feature.Bases, "shapes": feature.Shapes, "horizon": forecast.Horizon,
		"hidden": z.hidden, "dense": z.dense, "outputs": outputs,
		"levels": levels[:], "windows": wins[:], "peakShare": peakShare, "rate": rate,
	})
	if err != nil {
		b.Fatal(err)
	}
	put("network.json", text)
	for i, w := range p {
		put(fmt.Sprintf("w%d.f32", i), raw(w))
	}
	for _, n := range []int{1, 64, 256} {
		data := newBatch[float32](n)
		noisy(data)
		for name, v := range map[string][]float32{"x": data.x, "static": data.static, "base": data.base, "truth": data.truth, "weight": data.weight} {
			put(fmt.Sprintf("%s-%d.f32", name, n), raw(v))
		}
		put(fmt.Sprintf("network-%d.onnx", n), onnx(z, p, n))
	}
}

// peer is another implementation at work in a process of its own.
type peer struct {
	version string
	in      io.Writer
	out     *bufio.Scanner
}

type answer struct {
	Version, Missing, Error string
	Seconds                 float64
}

// launch starts a peer. An error says that it is not there.
func launch(b *testing.B, command []string) (*peer, error) {
	cmd := exec.CommandContext(b.Context(), command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1", "MKL_NUM_THREADS=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", command[0], err)
	}
	b.Cleanup(func() {
		in.Close()
		_ = cmd.Wait() // what it had to say it has said
	})
	p := &peer{in: in, out: bufio.NewScanner(out)}
	a, err := p.answer()
	if err == nil && a.Missing != "" {
		err = fmt.Errorf("%s: %s", command[1], a.Missing)
	}
	p.version = a.Version
	return p, err
}

// ask lets the peer run c some times over and gives the processor time it took,
// in seconds.
func (p *peer) ask(b *testing.B, verb string, c rivalry, times int) float64 {
	if _, err := fmt.Fprintln(p.in, verb, c.kind, c.n, times); err != nil {
		b.Fatal(err)
	}
	a, err := p.answer()
	if err != nil {
		b.Fatal(err)
	}
	return a.Seconds
}

func (p *peer) answer() (answer, error) {
	var a answer
	if !p.out.Scan() {
		return a, fmt.Errorf("the peer ended: %w", cmpErr(p.out.Err()))
	}
	if err := json.Unmarshal(p.out.Bytes(), &a); err != nil {
		return a, fmt.Errorf("read the peer's answer %q: %w", p.out.Text(), err)
	}
	if a.Error != "" {
		return a, fmt.Errorf("the peer failed: %s", a.Error)
	}
	return a, nil
}

func cmpErr(err error) error {
	if err == nil {
		return io.EOF
	}
	return err
}

// processorTime is the processor time in seconds that all threads of this
// process spend while f runs, the garbage collector's too.
func processorTime(b *testing.B, f func()) float64 {
	used := func() float64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
	}
	before := used()
	f()
	return used() - before
}

func median(v []float64) float64 {
	v = slices.Clone(v)
	slices.Sort(v)
	return v[len(v)/2]
}

func read32(b *testing.B, name string) []float32 {
	data, err := os.ReadFile(name)
	if err != nil {
		b.Fatal(err)
	}
	v := make([]float32, len(data)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return v
}
