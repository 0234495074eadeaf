// Package compare says what differs between two generations, as people want to know it after a
// rebuild: versions instead of store paths, and parameters word by word.
//
// It works on values alone, and returns values: how they are printed is for others. What is the
// same is not spoken of. Files are compared by their names, not by what they hold: in the store a
// name stands for its content.
package compare
