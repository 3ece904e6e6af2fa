package main

import (
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"sync"
)

const maxHeapMB = 4096

// heap is memory that the service keeps on purpose, so that the share of GOMEMLIMIT can be watched.
type heap struct {
	mutex sync.Mutex
	kept  []byte
}

// set keeps ?mb= MiB (0 to 4096) from now on.
func (h *heap) set(w http.ResponseWriter, r *http.Request) {
	text := r.URL.Query().Get("mb")
	mb, err := strconv.ParseUint(text, 10, 32)
	if err != nil || mb > maxHeapMB {
		http.Error(w, fmt.Sprintf("mb=%q: must be a whole number of MiB from 0 to %d", text, maxHeapMB), http.StatusBadRequest)
		return
	}
	kept := make([]byte, mb<<20)
	for i := 0; i < len(kept); i += 4096 { // memory that was never written is not there
		kept[i] = 1
	}
	h.mutex.Lock()
	h.kept = kept
	h.mutex.Unlock()
	// Metrics show what the last collection found, and a service without load has one every two minutes.
	runtime.GC()
	writeJSON(w, map[string]any{"kept_mb": mb, "pod": hostname})
}
