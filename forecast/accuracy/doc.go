// Package accuracy scores forecasts against what came: pure functions over
// numbers, no clock and no files.
//
// Every figure is meant to be read as a ratio to the seasonal naive forecast of
// one day on the same series (see [Reference]), and across series as the
// geometric mean of those ratios, so that neither the size nor the difficulty
// of one series decides the whole. Minutes whose rate is not known are left
// out; they are never taken for zero.
//
// The scaled error (MASE) follows Hyndman and Koehler, Another look at measures
// of forecast accuracy (2006); the weighted quantile loss is the usual discrete
// approximation of the continuous ranked probability score (CRPS).
package accuracy
