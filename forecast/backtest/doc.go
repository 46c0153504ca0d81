// Package backtest plays the past as if it were now. [Run] goes over the
// origins of recorded series, hands a forecaster what was known at each and
// nothing more, and scores what it says against what came. A [Replayer] decides
// minute by minute, plays the answers against the [HPA], and counts in a
// [Ledger] what they cost and where they fall short.
//
// The files it writes and the figures it prints are those of the project's
// evaluation: one origin an hour over the last part of each series, every
// figure a ratio to the seasonal naive forecast of one day, and the geometric
// mean over the series; and the short minutes and pods of its replay.
package backtest
