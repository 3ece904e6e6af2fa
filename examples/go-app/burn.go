package main

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"
)

// chunkRounds takes some 50 microseconds: long beside reading the clock, short beside the scheduler's 10 ms time slice.
const chunkRounds = 50_000

// sink keeps the compiler from dropping the computation.
var sink atomic.Uint64

// burn uses the given amount of CPU time, not of wall time, and returns what it used: the amount and at most one chunk more.
// It ends early, with the context's error, when the request is cancelled.
//
// The thread is pinned per chunk only. Between chunks the goroutine competes in the run queue as any busy handler does, so
// many requests at once show up as runnable goroutines and scheduling latency instead of as thousands of threads.
func burn(ctx context.Context, amount time.Duration) (time.Duration, error) {
	var used time.Duration
	for used < amount {
		if err := ctx.Err(); err != nil {
			return used, err
		}
		chunk, err := burnChunk()
		if err != nil {
			return used, err
		}
		used += chunk
	}
	return used, nil
}

func burnChunk() (time.Duration, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := threadCPUTime()
	if err != nil {
		return 0, err
	}
	x := uint64(before) | 1
	for range chunkRounds { // xorshift: each round needs the one before, so nothing is vectorised away
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	sink.Add(x)
	after, err := threadCPUTime()
	// A clock that stands still must not make an endless loop.
	return max(after-before, time.Microsecond), err
}
