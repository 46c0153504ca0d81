package backtest_test

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/backtest"
	"github.com/foretide/foretide/forecast/baseline"
	"github.com/foretide/foretide/forecast/trace"
)

// shared is the folder of that name beside the recorded traces, and the test
// is skipped where it is not at hand.
func shared(t *testing.T, name string) string {
	t.Helper()
	traces := os.Getenv("FORETIDE_TRACES")
	if traces == "" {
		traces = filepath.Join("..", "..", "..", "shared", "traces")
	}
	dir, err := filepath.Abs(filepath.Join(filepath.Dir(traces), name))
	if name == "traces" {
		dir, err = filepath.Abs(traces)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the recorded traces and their scorers are not here: %v; name the folder of traces in FORETIDE_TRACES", err)
	}
	return dir
}

// evaluation runs a Python program in the folder of the evaluation's scorers,
// with input as JSON, and gives what it prints. The test is skipped where there
// are no scorers, or no Python that can run them.
func evaluation(t *testing.T, program string, input any, args ...string) string {
	t.Helper()
	dir := shared(t, "eval")
	python := ""
	for _, p := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(p, "-c", "import numpy, pandas").Run() == nil {
			python = p
			break
		}
	}
	if python == "" {
		t.Skip("no python3 with numpy and pandas here")
	}
	data, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, append([]string{"-B", "-c", program}, args...)...)
	cmd.Dir = dir
	cmd.Stdin = bytes.NewReader(data)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("run the evaluation: %v\n%s", err, stderr.Bytes())
	}
	return string(out)
}

// scorer runs a script of the evaluation with arguments.
func scorer(t *testing.T, script string, args ...string) string {
	t.Helper()
	return evaluation(t, `
import runpy, sys
sys.path.insert(0, ".")
script = sys.argv.pop(1)
runpy.run_path(script, run_name="__main__")
`, nil, append([]string{script}, args...)...)
}

// The evaluation's scorer must read the files and come to the same figures.
func TestScoresAgreeWithEvaluation(t *testing.T) {
	if testing.Short() {
		t.Skip("forecasts every origin of the recorded traces")
	}
	traces, dir := shared(t, "traces"), t.TempDir()
	originsFile := filepath.Join(dir, "origins.csv")
	scorer(t, "forecast_score.py", "origins", traces, originsFile, "--every", "3")

	histories, err := trace.ReadDir(traces)
	if err != nil && histories == nil {
		t.Fatal(err)
	}
	file, err := os.Open(originsFile)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	origins, err := backtest.ReadOrigins(file)
	if err != nil {
		t.Fatal(err)
	}
	plans, err := origins.Plans(histories)
	if err != nil {
		t.Fatal(err)
	}

	var steps, peaks bytes.Buffer
	stepTable, peakTable := backtest.NewForecasts(&steps), backtest.NewPeaks(&peaks)
	result, err := backtest.Run(t.Context(), plans, baseline.LastValue(), backtest.Options{
		OnForecast: func(_ forecast.Series, f forecast.Forecast) error {
			if err := stepTable.Add(f); err != nil {
				return err
			}
			return peakTable.Add(f)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := stepTable.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := peakTable.Flush(); err != nil {
		t.Fatal(err)
	}
	stepFile, peakFile, scoreFile := filepath.Join(dir, "f.csv"), filepath.Join(dir, "p.csv"), filepath.Join(dir, "s.json")
	for path, content := range map[string]*bytes.Buffer{stepFile: &steps, peakFile: &peaks} {
		if err := os.WriteFile(path, content.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	scorer(t, "forecast_score.py", "score", traces, stepFile, "--every", "3", "--peaks", peakFile, "--json", scoreFile)
	data, err := os.ReadFile(scoreFile)
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		Series  int
		Origins int
		Missing int                           `json:"missing_rows"`
		Crossed int                           `json:"crossed_rows"`
		Overall map[string]float64            `json:"overall"`
		Each    map[string]map[string]float64 `json:"by_series"`
	}
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	if want.Missing != 0 || want.Crossed != 0 {
		t.Errorf("the scorer found %d rows missing and %d crossed", want.Missing, want.Crossed)
	}
	if len(result.Series) != want.Series || result.Forecasts != want.Origins {
		t.Errorf("%d series and %d forecasts, the scorer has %d and %d", len(result.Series), result.Forecasts, want.Series, want.Origins)
	}
	compare := func(what, key string, got float64, in map[string]float64) {
		t.Helper()
		w, ok := in[key]
		if !ok || !(math.Abs(got-w) <= 1e-4*max(1, w)) {
			t.Errorf("%s: %s is %.6f, the scorer has %.6f (%v)", what, key, got, w, ok)
		}
	}
	scores := map[string]backtest.SeriesResult{"overall": {Scores: result.Overall}}
	in := map[string]map[string]float64{"overall": want.Overall}
	for _, s := range result.Series {
		scores[s.Series], in[s.Series] = s, want.Each[s.Series]
	}
	for name, s := range scores {
		for _, h := range s.Horizons {
			compare(name, "mase["+h.Horizon+"]", float64(h.MASE), in[name])
			compare(name, "mase_ratio["+h.Horizon+"]", float64(h.MASERatio), in[name])
			compare(name, "crps_ratio["+h.Horizon+"]", float64(h.CRPSRatio), in[name])
			for i, key := range []string{"cov0.9[", "cov0.95[", "cov0.99["} {
				compare(name, key+h.Horizon+"]", float64(h.Coverage[i].Share), in[name])
			}
		}
		for i, key := range []string{"peak5", "peak15"} {
			compare(name, key+"_ratio[all]", float64(s.Peaks[i].Ratio), in[name])
		}
		compare(name, "peakcov5[all]", float64(s.Peaks[0].Covered), in[name])
		compare(name, "peakcov15[all]", float64(s.Peaks[1].Covered), in[name])
	}
}
