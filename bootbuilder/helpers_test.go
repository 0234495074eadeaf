package bootbuilder_test

import "context"

// ctx is for runs that nobody interrupts.
var ctx = context.Background()
