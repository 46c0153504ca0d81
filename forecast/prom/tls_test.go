package prom_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/foretide/foretide/forecast/prom"
)

// The client trusts and is trusted by certificates from files, and takes up
// those that are put in their place.
func clientTLS(t *testing.T, target string) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	ours, others := newAuthority(t), newAuthority(t)
	ours.write(path("ca"))
	ours.issue("one", path("cert"), path("key"))
	ours.issue("server", path("server.cert"), path("server.key"))

	serverCert, err := tls.LoadX509KeyPair(path("server.cert"), path("server.key"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(ours.cert)
	gate := newUnstartedGate(t, target)
	gate.TLS = &tls.Config{Certificates: []tls.Certificate{serverCert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
	gate.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes fail on purpose
	gate.StartTLS()
	var peer string
	gate.set(func(_ http.ResponseWriter, r *http.Request) bool {
		peer = r.TLS.PeerCertificates[0].Subject.CommonName
		return true
	})

	client := newClient(t, prom.Config{URL: gate.URL, CAFile: path("ca"), CertFile: path("cert"), KeyFile: path("key"), ServerName: "server"})
	f := func(what, wantPeer, wantErr string) {
		t.Helper()
		peer = ""
		err := client.Ping(t.Context())
		if wantErr == "" && err != nil || wantErr != "" && (err == nil || !strings.Contains(err.Error(), wantErr)) {
			t.Errorf("%s: %v, want %q", what, err, wantErr)
		}
		if peer != wantPeer {
			t.Errorf("%s: the server met %q, want %q", what, peer, wantPeer)
		}
	}
	f("at first", "one", "")
	ours.issue("two", path("cert"), path("key"))
	f("with another certificate", "two", "")
	others.write(path("ca"))
	f("trusting another authority", "", "certificate signed by unknown authority")
	ours.write(path("ca"))
	f("trusting the first again", "two", "")
	others.issue("stranger", path("cert"), path("key"))
	f("with a stranger's certificate", "", "tls: ")

	for _, c := range []struct {
		cfg  prom.Config
		want string
	}{
		{prom.Config{CAFile: path("ca")}, "tls: "},
		{prom.Config{CAFile: path("ca"), CertFile: path("cert"), KeyFile: path("key"), ServerName: "else"}, "not else"},
	} {
		c.cfg.URL = gate.URL
		if err := newClient(t, c.cfg).Ping(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want an error with %q", c.cfg, err, c.want)
		}
	}
}

// An authority issues certificates, as a cluster's does.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, key: newKey(t)}
	der := a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}, a.key)
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a.cert = cert
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sign signs c for key; an authority without a certificate signs its own.
func (a *authority) sign(c *x509.Certificate, key *ecdsa.PrivateKey) []byte {
	a.t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<60))
	if err != nil {
		a.t.Fatal(err)
	}
	c.SerialNumber, c.NotBefore, c.NotAfter = serial, time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent := a.cert
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return der
}

func (a *authority) write(path string) { writePEM(a.t, path, "CERTIFICATE", a.cert.Raw) }

func (a *authority) issue(name, certPath, keyPath string) {
	a.t.Helper()
	key := newKey(a.t)
	der := a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}, key)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	writePEM(a.t, certPath, "CERTIFICATE", der)
	writePEM(a.t, keyPath, "PRIVATE KEY", private)
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}
