package prom_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/foretide/foretide/forecast/prom"
)

// All that is wrong is named at once, and secrets are not.
func TestConfigNamesEveryMistake(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(cfg prom.Config, want ...string) {
		t.Helper()
		_, err := prom.New(cfg, nil, nil)
		if err == nil {
			t.Errorf("%+v: no error", cfg)
			return
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("error does not have %q:\n%v", w, err)
			}
		}
		if got := strings.Count(err.Error(), "\n") + 1; got != len(want) {
			t.Errorf("%d mistakes, want %d:\n%v", got, len(want), err)
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("error tells a secret: %v", err)
		}
	}
	f(prom.Config{}, `URL ""`)
	f(prom.Config{URL: "prometheus:9090"}, `URL "prometheus:9090": want http:// or https:// and a host`)
	f(prom.Config{URL: "http://me:secret@x"}, `want no credentials in it`)
	f(prom.Config{URL: "ftp://me:secret@x"}, `want http:// or https://`)
	f(prom.Config{
		URL: "http://x", BearerTokenFile: "/absent/token", Username: "me", CAFile: file, KeyFile: file,
		Headers:     map[string]string{"bad name": "x", "X-A": "new\nline", "X-B": "b"},
		HeaderFiles: map[string]string{"X-B": "/absent/header"},
		Window:      time.Second, PageSteps: 11001, Timeout: -1,
	},
		`BearerTokenFile "/absent/token": want none beside Username`,
		`BearerTokenFile "/absent/token": want a file that can be read`,
		`Username "me": want one exactly where PasswordFile is set`,
		`CertFile "": want one exactly where KeyFile is set`,
		`CAFile`, `KeyFile`,
		`Headers "bad name": want the name of an HTTP header`,
		`Headers "X-A": want a value without control characters`,
		`HeaderFiles "X-B": want a file that can be read`,
		`HeaderFiles "X-B": want a header that is not in Headers`,
		`Window "1s": want 0 to find it, or at least 1m0s`,
		`PageSteps "11001": want from 1 to 11000`,
		`Timeout "-1ns"`,
	)
	f(prom.Config{URL: "http://x", Headers: map[string]string{"authorization": "Bearer secret"}}, `"Authorization" is not allowed`)
	f(prom.Config{URL: "https://x", CAFile: file}, "unable to use specified CA cert")

	good := prom.Config{URL: "http://127.0.0.1:1/prefix?partial_response=false"}
	client := newClient(t, good)
	if _, err := client.Bulk(prom.Mapping{NamespaceLabel: "a-b"}); err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("an empty mapping with a bad label: %v, want three mistakes", err)
	}
	if _, err := client.Query(shop("cart"), " "); err == nil {
		t.Error("an empty query: no error")
	}
}
