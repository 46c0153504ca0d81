// Package forecast holds the vocabulary of Foretide: workloads, their request
// rates as regular series, forecasts as quantiles, and what makes them.
//
// Every rate is in requests per second, averaged over one [Step]. The value
// stamped T is the rate of [T, T+Step), so it exists from T+Step on. A
// forecast made at origin T knows that value and nothing later.
//
// The package imports only the standard library and never reads a clock: an
// instant that matters is an argument. What forecasts (baseline, lstm), what
// reads history (trace, prom) and what decides (plan, replica) lives in the
// packages beneath.
package forecast
