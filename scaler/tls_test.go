package scaler

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	a := &authority{key: key}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// issue gives a certificate for 127.0.0.1 that server and client can use, and
// its key, as PEM.
func (a *authority) issue(t *testing.T, serial int64) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "keda"}, DNSNames: []string{"foretide"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		NotBefore:   time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &k.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

func write(t *testing.T, files map[string][]byte) {
	t.Helper()
	for name, content := range files {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// ask opens a new connection and asks for a spec.
func ask(t *testing.T, address string, creds credentials.TransportCredentials) error {
	t.Helper()
	c, conn := client(t, address, grpc.WithTransportCredentials(creds))
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err := c.GetMetricSpec(ctx, ref("cart"))
	return err
}

// clientTLS is what KEDA makes of a TriggerAuthentication's caCert,
// tlsClientCert and tlsClientKey.
func clientTLS(t *testing.T, server *authority, cert, key []byte, seen *atomic.Int64) credentials.TransportCredentials {
	t.Helper()
	c := &tls.Config{RootCAs: server.pool(), ServerName: "foretide", VerifyConnection: func(s tls.ConnectionState) error {
		seen.Store(s.PeerCertificates[0].SerialNumber.Int64())
		return nil
	}}
	if cert != nil {
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return credentials.NewTLS(c)
}

// TestMutualTLSFollowsItsFiles: who has no certificate of the authority is not
// answered, and certificates are renewed and authorities replaced while the
// server runs, half-written files included.
func TestMutualTLSFollowsItsFiles(t *testing.T) {
	dir := t.TempDir()
	files := TLSFiles{Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key"), ClientCA: filepath.Join(dir, "ca.crt")}
	ours, theirs, stranger := newAuthority(t), newAuthority(t), newAuthority(t)
	cert, key := ours.issue(t, 100)
	write(t, map[string][]byte{files.Cert: cert, files.Key: key, files.ClientCA: theirs.pem()})
	kedaCert, kedaKey := theirs.issue(t, 1)
	strangeCert, strangeKey := stranger.issue(t, 2)
	address := serve(t, newRig(t, newStore(nil), nil).server, ServeOptions{TLS: files})

	var seen atomic.Int64
	f := func(name string, cert, key []byte, wantSerial int64) {
		t.Helper()
		seen.Store(0)
		err := ask(t, address, clientTLS(t, ours, cert, key, &seen))
		switch {
		case wantSerial == 0 && status.Code(err) != codes.Unavailable:
			t.Errorf("%s: %v, want a refused connection", name, err)
		case wantSerial != 0 && (err != nil || seen.Load() != wantSerial):
			t.Errorf("%s: %v from the server with certificate %d, want %d", name, err, seen.Load(), wantSerial)
		}
	}
	f("KEDA", kedaCert, kedaKey, 100)
	f("no certificate", nil, nil, 0)
	f("a stranger's certificate", strangeCert, strangeKey, 0)
	if err := ask(t, address, insecure.NewCredentials()); status.Code(err) != codes.Unavailable {
		t.Errorf("no TLS at all: %v, want a refused connection", err)
	}

	// A long connection goes on over the change, a new one sees it.
	long, _ := client(t, address, grpc.WithTransportCredentials(clientTLS(t, ours, kedaCert, kedaKey, &seen)))
	if _, err := long.GetMetricSpec(t.Context(), ref("cart")); err != nil {
		t.Fatal(err)
	}
	cert, key = ours.issue(t, 200)
	write(t, map[string][]byte{files.Cert: cert})
	f("certificate and key of two pairs, half-way", kedaCert, kedaKey, 100)
	write(t, map[string][]byte{files.Key: key})
	f("renewed", kedaCert, kedaKey, 200)
	write(t, map[string][]byte{files.ClientCA: append(theirs.pem(), stranger.pem()...)})
	f("another authority beside", strangeCert, strangeKey, 200)
	write(t, map[string][]byte{files.ClientCA: stranger.pem()})
	f("the first authority gone", kedaCert, kedaKey, 0)
	write(t, map[string][]byte{files.ClientCA: []byte("junk")})
	f("an authority that cannot be read leaves the last", strangeCert, strangeKey, 200)
	if _, err := long.GetMetricSpec(t.Context(), ref("cart")); err != nil {
		t.Errorf("the long connection: %v", err)
	}
}

func TestTLSWithoutClientAuthority(t *testing.T) {
	dir := t.TempDir()
	files := TLSFiles{Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key")}
	ours := newAuthority(t)
	cert, key := ours.issue(t, 7)
	write(t, map[string][]byte{files.Cert: cert, files.Key: key})
	address := serve(t, newRig(t, newStore(nil), nil).server, ServeOptions{TLS: files})
	var seen atomic.Int64
	if err := ask(t, address, clientTLS(t, ours, nil, nil, &seen)); err != nil || seen.Load() != 7 {
		t.Errorf("%v from the server with certificate %d, want 7", err, seen.Load())
	}
}

func TestTLSFilesNameAllThatIsWrong(t *testing.T) {
	_, err := TLSFiles{Cert: "/none/tls.crt", Key: "/none/tls.key", ClientCA: "/none/ca.crt"}.Config(nil)
	for _, want := range []string{`load certificate "/none/tls.crt" with key "/none/tls.key"`, `load client authority "/none/ca.crt"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q in it", err, want)
		}
	}
}
