package calibrate

// Bucket is a range of leads that share weights and corrections.
type Bucket struct {
	// Name is what tables and metrics call it: "1-5", "6-15" and "16-60" for
	// steps, "peak 5", "peak 15" and "peak 60" for the largest rate of so many.
	Name string
	// Peak tells whether it is of peaks; the weights and corrections of windows
	// between those of two buckets lie between theirs.
	Peak bool
	// leads are those that are verified, and delay is how many steps a loss
	// arrives late, about.
	leads []int
	delay float64
}

// NumBuckets is how many buckets there are, of which the first NumStepBuckets
// are of steps.
const (
	NumBuckets     = 6
	NumStepBuckets = 3
)

// Buckets are the ranges of leads: what a pod's start takes, what a node's
// takes, and the rest of the hour.
func Buckets() [NumBuckets]Bucket {
	return [NumBuckets]Bucket{
		{"1-5", false, []int{1, 2, 3, 5}, 3},
		{"6-15", false, []int{7, 10, 15}, 10},
		{"16-60", false, []int{20, 30, 45, 60}, 40},
		{"peak 5", true, []int{5}, 5},
		{"peak 15", true, []int{15}, 15},
		{"peak 60", true, []int{60}, 60},
	}
}

// bucketOfStep is the bucket of the step h steps ahead.
func bucketOfStep(h int) int {
	switch {
	case h <= 5:
		return 0
	case h <= 15:
		return 1
	}
	return 2
}

// bucketsOfPeak are the buckets between which a window of w steps lies, and the
// share of the second.
func bucketsOfPeak(w int) (a, b int, share float64) {
	switch {
	case w <= 5:
		return 3, 3, 0
	case w <= 15:
		return 3, 4, float64(w-5) / 10
	}
	return 4, 5, float64(w-15) / 45
}
