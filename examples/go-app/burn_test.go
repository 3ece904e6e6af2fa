package main

import (
	"context"
	"errors"
	"testing"
	"time"
)

// The upper bounds are wide: a chunk may be slow on a busy or emulated machine, but never many times the amount.
const chunkSlack = 20 * time.Millisecond

func TestBurnUsesTheAmountOfCPUTime(t *testing.T) {
	for _, amount := range []time.Duration{time.Millisecond, 5 * time.Millisecond, 50 * time.Millisecond} {
		used, err := burn(t.Context(), amount)
		if err != nil {
			t.Fatal(err)
		}
		if used < amount || used > amount+chunkSlack {
			t.Errorf("burn(%v) used %v", amount, used)
		}
	}
}

func TestBurnOfNothingUsesNothing(t *testing.T) {
	if used, err := burn(t.Context(), 0); used != 0 || err != nil {
		t.Errorf("burn(0) = %v, %v", used, err)
	}
}

func TestBurnEndsWhenTheRequestIsCancelled(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	used, err := burn(ctx, time.Hour)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("burn = %v, %v; want the context's error", used, err)
	}
	if used <= 0 {
		t.Errorf("nothing was used before the deadline")
	}
}
