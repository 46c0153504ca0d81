package inspect

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"fmt"
	"net/http"
	"path"
	"time"
)

//go:embed page
var page embed.FS

// contentType is that of a file of the page. It is not looked up in the
// host's table, which may know nothing of it or, worse, call a module plain text.
func contentType(file string) string {
	switch path.Ext(file) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	default:
		return "image/svg+xml"
	}
}

// handlePage serves each file of the page by its name, and index.html on /.
// Browsers ask again each time, and get the file only if it has changed.
func handlePage(mux *http.ServeMux) {
	entries, err := page.ReadDir("page")
	if err != nil {
		panic(fmt.Sprintf("read the page that is built in: %v", err))
	}
	for _, entry := range entries {
		body, err := page.ReadFile("page/" + entry.Name())
		if err != nil {
			panic(fmt.Sprintf("read the page that is built in: %v", err))
		}
		tag := fmt.Sprintf("%q", fmt.Sprintf("%x", sha256.Sum256(body))[:16])
		pattern := "/" + entry.Name()
		if entry.Name() == "index.html" {
			pattern = "/{$}"
		}
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", contentType(entry.Name()))
			w.Header().Set("Cache-Control", "no-cache")
			w.Header().Set("ETag", tag)
			http.ServeContent(w, r, entry.Name(), time.Time{}, bytes.NewReader(body))
		})
	}
}
