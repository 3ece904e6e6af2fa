// Command exporter serves a file as Prometheus metrics, so that a check can say what a scraped value is.
//
//	exporter ADDRESS FILE
//
// The file is in the text exposition format and is read anew at each scrape.
package main

import (
	"log"
	"net/http"
	"os"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: exporter ADDRESS FILE")
	}
	http.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		text, err := os.ReadFile(os.Args[2])
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = w.Write(text)
	})
	log.Fatal(http.ListenAndServe(os.Args[1], nil))
}
