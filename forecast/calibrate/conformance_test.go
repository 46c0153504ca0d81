package calibrate_test

import (
	"testing"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/baseline"
	"github.com/foretide/foretide/forecast/calibrate"
	"github.com/foretide/foretide/forecast/forecasttest"
)

// replayed is a baseline calibrated over the last hours of each history.
type replayed struct{ baseline.Forecaster }

func (r replayed) Forecast(batch []forecast.History) ([]forecast.Forecast, error) {
	out := make([]forecast.Forecast, len(batch))
	for i, h := range batch {
		o := calibrate.NewOnline(r.Name())
		for n := max(1, h.Len()-240); n <= h.Len(); n += 20 {
			n = min(n, h.Len())
			past := h
			past.Series = h.Through(h.Time(n - 1))
			if past.Known() == 0 && n < h.Len() {
				continue
			}
			said, err := r.Forecaster.Forecast([]forecast.History{past})
			if err != nil {
				return nil, err
			}
			if out[i], err = o.Forecast(past, said[0]); err != nil {
				return nil, err
			}
		}
		if !out[i].Origin.Equal(h.Origin()) {
			said, err := r.Forecaster.Forecast([]forecast.History{h})
			if err != nil {
				return nil, err
			}
			if out[i], err = o.Forecast(h, said[0]); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func TestConformance(t *testing.T) {
	forecasttest.Conformance(t, func() forecast.Forecaster { return replayed{baseline.LastValue()} })
}

func TestNoLeak(t *testing.T) {
	forecasttest.NoLeak(t, func() forecast.Forecaster { return replayed{baseline.LastValue()} })
}
