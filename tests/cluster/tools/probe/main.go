// Command probe is a small HTTP service that check.sh runs as a pod to see whether the cluster works.
//
//	/       answers "ok"
//	/burn   uses a CPU for 50 ms
//	/api    asks the API server for its own namespace's pods with the pod's service account, found as in-cluster clients do
//	/get    fetches ?url=
//	/metrics probe_requests_total in the Prometheus text format
//
// With any argument it prints its name and ends: something for "kubectl exec".
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

const account = "/var/run/secrets/kubernetes.io/serviceaccount/"

func main() {
	if len(os.Args) > 1 {
		fmt.Println("probe of the test cluster")
		return
	}
	var requests atomic.Int64
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		fmt.Fprintln(w, "ok")
	})
	http.HandleFunc("/burn", func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		for end := time.Now().Add(50 * time.Millisecond); time.Now().Before(end); {
		}
		fmt.Fprintln(w, "ok")
	})
	http.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "# TYPE probe_requests_total counter\nprobe_requests_total %d\n", requests.Load())
	})
	http.HandleFunc("/api", func(w http.ResponseWriter, _ *http.Request) { relay(w, askAPI) })
	http.HandleFunc("/get", func(w http.ResponseWriter, r *http.Request) {
		relay(w, func() (*http.Response, error) {
			client := http.Client{Timeout: 5 * time.Second}
			return client.Get(r.URL.Query().Get("url"))
		})
	})
	log.Println("listening on :8080")
	log.Fatal(http.ListenAndServe(":8080", nil))
}

func relay(w http.ResponseWriter, ask func() (*http.Response, error)) {
	response, err := ask()
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer response.Body.Close()
	w.WriteHeader(response.StatusCode)
	_, _ = io.Copy(w, response.Body)
}

func askAPI() (*http.Response, error) {
	token, err := os.ReadFile(account + "token")
	if err != nil {
		return nil, err
	}
	authority, err := os.ReadFile(account + "ca.crt")
	if err != nil {
		return nil, err
	}
	namespace, err := os.ReadFile(account + "namespace")
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	address := net.JoinHostPort(os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT"))
	request, err := http.NewRequest(http.MethodGet, fmt.Sprintf("https://%s/api/v1/namespaces/%s/pods", address, namespace), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+string(token))
	return client.Do(request)
}
