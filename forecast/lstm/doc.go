// Package lstm forecasts with one quantile network for all workloads: an LSTM
// over the last two hours (Hochreiter and Schmidhuber, 1997), whose last state
// is read beside a summary of the last week, and weighs a few simple
// forecasts against each other for each part of the next hour. What remains
// is forecast as quantiles, fitted with the pinball loss (Koenker and Bassett,
// 1978; Wen et al., 2017, for many horizons at once).
//
// Fit builds the network as a Gorgonia graph in which the whole sequence is a
// single Op with its own backward pass. A Model runs the same kernels without
// a machine. README.md has the format of the weights and what was measured.
package lstm
