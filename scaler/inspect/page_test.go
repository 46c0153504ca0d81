package inspect_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/foretide/foretide/forecast"
	"github.com/foretide/foretide/scaler"
	"github.com/foretide/foretide/scaler/inspect"
	"github.com/google/go-cmp/cmp"
)

const (
	rows    = `[...document.querySelectorAll(".workloads tbody tr:not([hidden])")]`
	names   = `[...document.querySelectorAll(".workloads tbody tr:not([hidden]) a")].map(a => a.textContent).join(" ")`
	focused = `document.activeElement.textContent`
)

func TestPage(t *testing.T) {
	ctx := browser(t)

	t.Run("list", func(t *testing.T) {
		c := config(t, snapshotOf(noon, shop()))
		c.Ledger = score
		b, server := open(t, ctx, inspect.Handler(c), "/")
		b.wait(rows + ".length")
		want(b, names, "exports mailer thumbnails gateway cart catalog checkout frontend payments recommendations search")
		cells := func(name string) string {
			b.Helper()
			return read[string](b, rows+`.find(r => r.querySelector("a").textContent === "`+name+`").innerText.replace(/\s+/g, " ")`)
		}
		for name, want := range map[string]string{
			"checkout":        "checkout shop 157/s 186/s p95, next 5 min 16 forecast network",
			"payments":        "payments shop 77.7/s 79.6/s p95, next 5 min 10 mode network",
			"recommendations": "recommendations shop 901/s 1.01k/s p95, next 5 min 41 forecast baseline",
			"thumbnails":      "thumbnails batch 0.68/s – 2 observed observed only",
			"exports":         "exports batch 5.13/s 6.21/s p95, next 5 min – forecast network",
			"mailer":          "mailer batch 0/s – – – no answer 17 h old",
			"search":          "search shop 377/s 505/s p95, next 5 min 17 forecast network 19 min old",
		} {
			if got := cells(name); got != want {
				t.Errorf("row of %s: %q, want %q", name, got, want)
			}
		}
		want(b, `document.querySelector("header.top").innerText.replace(/\s+/g, " ")`,
			"Foretide v0.1.0 Metrics 24 s ago Model 20260309-141502-7f3a, 22 h old "+read[string](b, `document.getElementById("clock").textContent`)+" Live")
		want(b, `document.querySelector(".stats").innerText.replace(/\s+/g, " ")`, "Workloads 11 Load now 45.0k/s Replicas asked for 211 Need attention 3")
		want(b, `[...document.querySelectorAll(".ledger .pair")].map(p => p.innerText.replace(/\s+/g, " ")).join("; ")`,
			"Minutes with too few pods −86 % Foretide 20 Reactive HPA 148; Pod hours −3 % Foretide 493 Reactive HPA 510")
		want(b, rows+`.every(r => r.querySelector(".spark path.actual").getAttribute("d") || r.textContent.includes("mailer"))`, true)
		b.shoot("list-light")

		// By keyboard alone: filter, walk, open, come back to the same row.
		b.search()
		b.press("shop")
		want(b, names, "cart catalog checkout frontend payments recommendations search")
		b.press(kb.ArrowDown)
		want(b, focused, "cart")
		b.press(kb.ArrowDown + kb.ArrowDown)
		want(b, focused, "checkout")
		b.press(kb.ArrowUp + kb.End)
		want(b, focused, "search")
		b.press(kb.Home + kb.Enter)
		b.wait(`location.hash === "#/shop/cart" && document.querySelector("#detail h1")?.textContent === "shop / cart"`)
		want(b, `document.activeElement.tagName`, "H1")
		b.press(kb.Escape)
		b.wait(`!document.getElementById("list").hidden`)
		want(b, focused, "cart")
		b.search()
		b.press(kb.Escape)
		want(b, rows+".length", 11)

		b.do(chromedp.Click(chromedp.CSS(".c-observed button")))
		want(b, names+`.split(" ").slice(0, 3).join(" ")`, "gateway catalog frontend")
		want(b, `document.querySelector("th.c-observed").getAttribute("aria-sort")`, "descending")
		b.do(chromedp.Click(chromedp.CSS(".c-state button")))
		want(b, names+`.split(" ").slice(0, 3).join(" ")`, "mailer thumbnails search")
		b.do(chromedp.Click(chromedp.CSS("#list .segments button:nth-child(3)")))
		want(b, names, "mailer thumbnails search")
		b.search()
		b.press("nothing like it")
		want(b, `document.querySelector("#list .nothing").hidden`, false)
		b.quiet(server)
	})

	t.Run("detail", func(t *testing.T) {
		h := inspect.Handler(config(t, snapshotOf(noon, shop())))
		b, server := open(t, ctx, h, "/#/mesh%2Feu/gateway")
		b.wait(`document.querySelector("#detail .facts")`)
		var api struct {
			Workload struct {
				Sentence string
				Replicas int
			}
			History struct{ Values []*float64 }
			Past    struct {
				Coverage struct{ InsideP10P90, BelowP95 float64 }
				Steps    []struct{}
			}
			Model struct{ Version string }
		}
		if err := json.Unmarshal(ask(h, "GET", "/api/v1/workloads/mesh%2Feu/gateway?hours=3").Body.Bytes(), &api); err != nil {
			t.Fatal(err)
		}
		want(b, `document.querySelector("#detail h1").textContent`, "mesh/eu / gateway")
		want(b, `document.title`, "mesh/eu/gateway · Foretide")
		want(b, `document.getElementById("sentence").textContent`, api.Workload.Sentence)
		facts := read[map[string]string](b, `Object.fromEntries([...document.querySelectorAll(".facts > div")].map(d => [d.children[0].textContent, d.children[1].textContent]))`)
		delete(facts, "Decided at") // depends on the machine's zone
		if diff := cmp.Diff(map[string]string{
			"Answer to KEDA": "49.1k/s", "Replicas": fmt.Sprint(api.Workload.Replicas), "Decided by": "forecast", "Quantile": "p95", "Lead time": "5 min",
			"Lead window": "6 steps", "Target per pod": "900/s", "Mode": "max", "Active above": "0/s", "Forecaster": "lstm", "Model": api.Model.Version,
		}, facts); diff != "" {
			t.Errorf("facts (-want +got):\n%s", diff)
		}
		want(b, `document.querySelectorAll(".chart h2 + p")[1].textContent`, fmt.Sprintf("Made 5 minutes ahead: %.0f %% inside the 80 %% band, %.0f %% below p95",
			math.Round(100*api.Past.Coverage.InsideP10P90), math.Round(100*api.Past.Coverage.BelowP95)))
		want(b, `[...document.querySelectorAll(".chart")].filter(c => c.querySelectorAll("svg path").length >= 2).length`, 3)
		want(b, `[...document.querySelectorAll(".chart svg")].every(s => s.getAttribute("aria-label").startsWith("mesh/eu/gateway: "))`, true)

		// Coverage, with the quantile that is off told apart, and the mixture.
		want(b, `[...document.querySelectorAll(".calibration tbody tr")].map(r => r.children[0].textContent + " " + r.children[6].textContent + " " + r.children[6].className).join("; ")`,
			"1-5 min 95.3 % number good; 6-15 min 95.3 % number good; 16-60 min 87.4 % number more; Peak of 5 min 95.3 % number good; Peak of 15 min 95.3 % number good; Peak of 60 min – number ")
		want(b, `document.querySelector(".calibration .muted").textContent.split(",")[0]+document.querySelector(".calibration .muted").textContent.split(",")[1].split(" ")[0]`, "4320")
		want(b, `document.querySelector(".mix .track").getAttribute("aria-label")`, "network 75 %, last value 13 %, a day before 6 %, a week before 6 %")
		want(b, `Math.abs(document.querySelector(".mix .part.e0").getBoundingClientRect().width / document.querySelector(".mix .track").getBoundingClientRect().width - 0.75) < 0.02`, true)

		// The table says what the chart draws: history, then 60 steps ahead.
		b.do(chromedp.Click(chromedp.CSS(".chart summary")))
		b.wait(`document.querySelector(".chart tbody tr")`)
		want(b, `document.querySelector(".chart tbody").children.length`, len(api.History.Values)+forecast.Horizon)
		b.do(chromedp.Click(chromedp.CSS(".chart summary")))

		// The crosshair by keyboard speaks and shows.
		read[bool](b, `document.querySelector(".plot").focus() ?? true`)
		b.press(kb.End)
		want(b, `document.querySelector(".tip").hidden`, false)
		last := read[string](b, `document.querySelector(".chart [aria-live]").textContent`)
		if !strings.Contains(last, "median ") || !strings.Contains(last, "p99 ") {
			t.Errorf("the crosshair says %q, want the quantiles of the last step", last)
		}
		b.press(kb.ArrowLeft)
		if now := read[string](b, `document.querySelector(".chart [aria-live]").textContent`); now == last {
			t.Errorf("the crosshair says %q before and after a step to the left", now)
		}
		b.press(kb.Escape)
		want(b, `document.querySelector(".tip").hidden && location.hash === "#/mesh%2Feu/gateway"`, true)

		// More history on request.
		b.do(chromedp.Click(chromedp.CSS("#detail .segments button:nth-child(5)")))
		b.wait(`performance.getEntriesByType("resource").some(e => e.name.endsWith("?hours=24"))`)
		b.do(chromedp.Click(chromedp.CSS("#detail .segments button:nth-child(2)")))
		b.wait(`document.querySelector(".chart svg path.actual").getAttribute("d").split("L").length < 200`)
		b.shoot("detail-light")
		b.quiet(server)

		read[string](b, `location.hash = "#/batch/mailer"`)
		b.wait(`document.querySelector("#detail h1").textContent === "batch / mailer"`)
		want(b, `document.getElementById("sentence").textContent`, "KEDA gets an error for an answer, so the HPA holds the replicas it has.")
		want(b, `document.querySelector("#detail .plot text.nothing") !== null`, true)
		b.shoot("detail-error")
	})

	t.Run("themes", func(t *testing.T) {
		c := config(t, snapshotOf(noon, shop()))
		c.Ledger = score
		b, server := open(t, ctx, inspect.Handler(c), "/")
		ground := `getComputedStyle(document.body).backgroundColor`
		for _, route := range []string{"#/", "#/shop/checkout"} {
			for _, theme := range []string{"light", "dark"} {
				b.media("prefers-color-scheme", theme)
				for _, width := range []int64{1360, 900, 390} {
					b.do(chromedp.EmulateViewport(width, 844), chromedp.Navigate("about:blank"), chromedp.Navigate(server.URL+"/"+route))
					b.wait(`document.querySelector("#list tbody tr, #detail .facts")`)
					if pale := read[[]string](b, tooPale); len(pale) > 0 {
						t.Errorf("%s in %s at %d: text of too little contrast: %q", route, theme, width, pale)
					}
					if wide := read[int](b, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); wide > 0 {
						t.Errorf("%s at %d: the page is %d pixels too wide", route, width, wide)
					}
					b.shoot(fmt.Sprintf("%s-%s-%d", map[bool]string{true: "list", false: "detail"}[route == "#/"], theme, width))
				}
				if dark := read[string](b, ground) == "rgb(13, 17, 21)"; dark != (theme == "dark") {
					t.Errorf("%s: the ground is %s", theme, read[string](b, ground))
				}
			}
		}
		b.do(chromedp.Click(chromedp.CSS("#theme")))
		want(b, ground, "rgb(246, 247, 248)")
		b.do(chromedp.Reload())
		want(b, ground, "rgb(246, 247, 248)")
		read[bool](b, `localStorage.clear() ?? true`)
		b.media("prefers-reduced-motion", "reduce")
		want(b, `getComputedStyle(document.getElementById("live"), "::before").animationName`, "none")
		b.press(kb.Tab)
		want(b, focused, "Skip to the content")
		want(b, `document.activeElement.getBoundingClientRect().top >= 0`, true)
		b.quiet(&httptest.Server{URL: server.URL})
	})

	t.Run("states", func(t *testing.T) {
		source := &source{}
		c := config(t, nil)
		c.Source = source
		api := inspect.Handler(c)
		var cut atomic.Bool
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if cut.Load() {
				panic(http.ErrAbortHandler)
			}
			api.ServeHTTP(w, r)
		})
		b, _ := open(t, ctx, h, "/?refresh=0.25")
		heading := func(s string) string {
			return `[...document.querySelectorAll("h1")].some(h => h.checkVisibility() && h.textContent === "` + s + `")`
		}
		b.wait(heading("Starting up"))
		empty := snapshotOf(noon, nil)
		empty.Source.Err = "connection refused"
		source.Store(empty)
		b.wait(heading("No workloads yet"))
		want(b, `document.querySelector(".notice li").textContent.includes("connection refused")`, true)
		want(b, `document.querySelector(".notice pre").textContent.includes("targetPerPod")`, true)
		want(b, `document.getElementById("source").className`, "chip bad")
		b.shoot("empty")
		snap := snapshotOf(noon, shop())
		snap.Model = scaler.ModelStatus{Err: "manifest of v8: checksum differs"}
		source.Store(snap)
		b.wait(rows + ".length === 11")
		want(b, `document.getElementById("model").className + " " + document.getElementById("model").title`, "chip warn manifest of v8: checksum differs")

		cut.Store(true)
		b.wait(`document.getElementById("live").textContent === "Connection lost" && !document.getElementById("banner").hidden`)
		want(b, rows+".length", 11)
		b.shoot("lost")
		cut.Store(false)
		b.wait(`document.getElementById("live").textContent === "Live" && document.getElementById("banner").hidden`)

		read[string](b, `location.hash = "#/shop/none"`)
		b.wait(heading("No workload shop/none"))
		b.do(chromedp.Click(chromedp.CSS(".notice a")))
		b.wait(rows + ".length === 11 && !document.getElementById('list').hidden")
		read[string](b, `location.hash = "#/%"`)
		b.wait(rows + ".length === 11")

		// A hidden page asks nothing; shown again, it asks at once.
		hide := func(hidden bool) {
			read[bool](b, fmt.Sprintf(`Object.defineProperty(document, "hidden", { value: %v, configurable: true }) && document.dispatchEvent(new Event("visibilitychange"))`, hidden))
		}
		hide(true)
		b.do(chromedp.Sleep(300 * time.Millisecond))
		before := b.asked("/api/")
		b.do(chromedp.Sleep(700 * time.Millisecond))
		if after := b.asked("/api/"); after != before {
			t.Errorf("a hidden page asked %d times", after-before)
		}
		hide(false)
		b.do(chromedp.Sleep(300 * time.Millisecond))
		if b.asked("/api/") == before {
			t.Error("a page that is shown again asks nothing")
		}
	})

	t.Run("many", func(t *testing.T) {
		var services []service
		for i := range 300 {
			services = append(services, service{namespace: "ns", name: fmt.Sprintf("s%03d", i), mean: 10, perPod: 5, seed: uint64(i)})
		}
		services = append(services, service{namespace: "<img src=x>", name: "<b onclick=alert(1)>", mean: 1, perPod: 1})
		source := sourceOf(snapshotOf(noon, services))
		c := config(t, nil)
		c.Source = source
		b, server := open(t, ctx, inspect.Handler(c), "/?refresh=0.25")
		b.wait(rows + ".length === 301")
		want(b, `document.querySelectorAll("main img, main b[onclick]").length`, 0)
		b.search()
		b.press("s15" + kb.ArrowDown + kb.ArrowDown)
		want(b, focused, "s151")
		// New snapshots neither move the focus nor forget the filter.
		later := snapshotOf(noon.Add(time.Minute), services[:200])
		source.Store(later)
		b.wait(`document.querySelector(".stats dd").textContent === "200"`)
		want(b, focused, "s151")
		want(b, rows+".length", 10)
		b.quiet(server)
	})
}
