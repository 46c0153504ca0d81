package main

import (
	_ "embed" // the page's template
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"
	"time"

	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/forecast/backtest"
)

//go:embed replay.html
var replayPage string

// html writes the report as one page with its charts, which needs nothing else.
func (r replayReport) html(w io.Writer) error {
	page, err := template.New("replay").Funcs(template.FuncMap{
		"percent": short,
		"ratio":   func(v float64) string { return fmt.Sprintf("%.2f", v) },
		"count":   func(v float64) string { return fmt.Sprintf("%.0f", v) },
		"risk":    r.risk,
		"load":    replayWindow.loadChart,
		"scatter": r.scatter,
		"ours":    func(w replayWindow) replayWay { return w.Ways[wayForetide] },
		"tuned":   func(w replayWindow) replayWay { return w.Ways[wayReactive] },
	}).Parse(replayPage)
	if err != nil {
		return err
	}
	return page.Execute(w, struct {
		replayReport
		Made string
	}{r, r.from.Format("2006-01-02 15:04 MST")})
}

// The size of a chart in its own units, and how many minutes are drawn as one at
// most.
const (
	chartWidth, chartHeight = 720.0, 150.0
	chartPoints             = 480
)

// loadChart draws what came, and what the pods of the two ways could serve.
func (w replayWindow) loadChart() template.HTML {
	n, warm := len(w.load), int(backtest.WarmUp/forecast.Step)
	width := max(1, (n+chartPoints-1)/chartPoints)
	var load, ours, reactive []float64
	var missed []int
	top := 0.0
	for i := 0; i < n; i += width {
		var most, a, b float64
		end := min(i+width, n)
		late := false
		for j := i; j < end; j++ {
			most = max(most, w.load[j])
			a += float64(w.ours.Pods[j]) * w.PerPod / float64(end-i)
			b += float64(w.reactive.Pods[j]) * w.PerPod / float64(end-i)
			late = late || j >= warm && w.load[j] > float64(w.ours.Ready[j])*w.PerPod*(1+1e-9)
		}
		if late {
			missed = append(missed, len(load))
		}
		load, ours, reactive = append(load, most), append(ours, a), append(reactive, b)
		top = max(top, most, a, b)
	}
	x := func(i int) float64 { return chartWidth * float64(i) / float64(max(len(load)-1, 1)) }
	y := func(v float64) float64 { return chartHeight * (1 - v/max(top, 1e-12)) }
	line := func(values []float64) string {
		var b strings.Builder
		for i, v := range values {
			fmt.Fprintf(&b, "%s%.1f %.1f", map[bool]string{true: "M", false: "L"}[i == 0], x(i), y(v))
		}
		return b.String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="-52 -8 %.0f %.0f" role="img" aria-label="load and capacity of %s">`, chartWidth+60, chartHeight+32, template.HTMLEscapeString(w.Series))
	for _, share := range []float64{0, 0.5, 1} {
		fmt.Fprintf(&b, `<path class="grid" d="M0 %.1fH%.0f"/><text class="left" x="-6" y="%.1f">%s</text>`, y(share*top), chartWidth, y(share*top)+4, replayRate(share*top))
	}
	fmt.Fprintf(&b, `<path class="load" d="%sL%.1f %.1fL0 %.1fZ"/>`, line(load), chartWidth, chartHeight, chartHeight)
	fmt.Fprintf(&b, `<path class="reactive" d="%s"/><path class="ours" d="%s"/>`, line(reactive), line(ours))
	for _, i := range missed {
		fmt.Fprintf(&b, `<path class="short" d="M%.1f %.1fv7"/>`, x(i), chartHeight+1)
	}
	const ticks = 4
	for k := range ticks + 1 {
		at := w.From.Add(w.To.Sub(w.From) * time.Duration(k) / ticks)
		anchor := "middle"
		if k == 0 {
			anchor = "start"
		} else if k == ticks {
			anchor = "end"
		}
		fmt.Fprintf(&b, `<text x="%.1f" y="%.0f" text-anchor="%s">%s</text>`, chartWidth*float64(k)/ticks, chartHeight+22, anchor, at.UTC().Format("2 Jan 15:04"))
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

// replayRate shows a rate at an axis.
func replayRate(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.2g", v)
}

// scatter draws each way of all windows as a point: what it pays, and how often
// it is short. Down and left is better.
func (r replayReport) scatter() template.HTML {
	const width, height = 720.0, 230.0
	left, right, top := 1.0, 1.0, 0.0
	for _, x := range r.Ways {
		right, top = max(right, x.OverOracle), max(top, x.ShortPercent)
	}
	right, top = right+(right-left)*0.12, max(top*1.15, 0.01)
	x := func(v float64) float64 { return width * (v - left) / max(right-left, 1e-9) }
	y := func(v float64) float64 { return height * (1 - v/top) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="-52 -12 %.0f %.0f" role="img" aria-label="pods and short minutes of each way">`, width+90, height+56)
	for k := range 5 {
		at := top * float64(k) / 4
		fmt.Fprintf(&b, `<path class="grid" d="M0 %.1fH%.0f"/><text class="left" x="-6" y="%.1f">%.2f %%</text>`, y(at), width, y(at)+4, at)
	}
	for k := range 5 {
		at := left + (right-left)*float64(k)/4
		fmt.Fprintf(&b, `<text x="%.1f" y="%.0f" text-anchor="middle">%.2f</text>`, x(at), height+18, at)
	}
	fmt.Fprintf(&b, `<text x="%.0f" y="%.0f" text-anchor="end">pods, as a multiple of the oracle’s →</text>`, width, height+38)
	for i, way := range r.Ways {
		class := "other"
		switch i {
		case wayForetide:
			class = "us"
		case wayReactive, wayReactive70:
			class = "them"
		}
		cx, cy := x(way.OverOracle), y(way.ShortPercent)
		anchor, dx := "start", 11.0
		if cx > 0.75*width {
			anchor, dx = "end", -11
		}
		fmt.Fprintf(&b, `<circle class="%s" cx="%.1f" cy="%.1f" r="6"/><text class="name" x="%.1f" y="%.1f" text-anchor="%s">%s</text>`,
			class, cx, cy, cx+dx, math.Min(cy+4, height-4), anchor, template.HTMLEscapeString(way.Way))
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}
