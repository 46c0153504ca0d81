package plan

import (
	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/calibrate"
)

// Calibrated is o with its forecast, made of h, weighed and corrected; c learns
// from it. Below the network the simple experts of the calibration take the
// baseline's place. Where they cannot say anything either, or o has no forecast,
// o stays as it is and ok is false.
func (o Outlook) Calibrated(h forecast.History, c *calibrate.Online) (calibrated Outlook, ok bool) {
	if o.Forecast == nil {
		return o, false
	}
	var network forecast.Forecast
	if o.Rung == RungNetwork || o.Rung == RungPrior {
		network = *o.Forecast
	}
	f, err := c.Forecast(h, network)
	if err != nil || f.Check() != nil {
		return o, false
	}
	o.Forecast = &f
	return o, true
}
