// Package calibrate keeps a workload's forecasts honest while they are made. A
// [Calibrator] remembers what several forecasters, its experts, have said of
// one workload, and when the truth comes does two things with it:
//
//   - it weighs the experts by how they did lately, by fixed share over
//     exponential weights (Herbster and Warmuth, Tracking the best expert,
//     1998), with a learning rate that follows the losses (de Rooij et al.,
//     Follow the leader if you can, hedge if you must, 2014);
//   - it moves each quantile of their mixture up after a miss and down after a
//     hit, so that a quantile at 0.95 covers 95 % (Gibbs and Candès, Adaptive
//     conformal inference under distribution shift, 2021; in the form of
//     Angelopoulos et al., Conformal PID control, 2023).
//
// An [Online] is a calibrator together with the simple experts that stand
// beside a network: all that a loop or a backtest has to hold for a workload.
//
// Time is passed in, nothing is read and nothing is drawn, so a replay of the
// past gives the weights that the live loop would have had. What is promised,
// what it costs and what it was measured to bring is in README.md.
package calibrate
