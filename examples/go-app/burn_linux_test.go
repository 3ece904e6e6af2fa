package main

import (
	"syscall"
	"testing"
	"time"
)

// What burn reports must agree with what the kernel charges to the process: that number is what an autoscaler sees.
func TestBurnAgreesWithTheKernel(t *testing.T) {
	const amount = 200 * time.Millisecond
	before := processCPUTime(t)
	if _, err := burn(t.Context(), amount); err != nil {
		t.Fatal(err)
	}
	charged := processCPUTime(t) - before
	if charged < amount*9/10 || charged > amount*3/2 {
		t.Errorf("the kernel charged %v for %v", charged, amount)
	}
}

func processCPUTime(t *testing.T) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
