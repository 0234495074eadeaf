package content

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
)

// parts reads several files as one, padded in between as [Joined] is. Those with a planned sum are hashed
// on the way, as they are read from start to end; a path in the store stands for what is inside.
type parts struct {
	sources []Source
	files   []Opened
	sums    []hash.Hash // nil for a file without a planned sum
	read    []int64     // how much of each file was hashed
	start   []int64     // where each file begins
	end     []int64     // where its content ends; zeros up to the next start
	size    int64
}

func (r *Reader) openParts(sources []Source) (*parts, error) {
	j := &parts{sources: sources}
	for _, s := range sources {
		j.size += initrdPadding(j.size)
		file, size, err := r.Open(s)
		if err != nil {
			return nil, errors.Join(err, j.Close())
		}
		j.files = append(j.files, file)
		var sum hash.Hash
		if _, planned := r.sums[s]; planned && s.Store == "" {
			sum = sha256.New()
		}
		j.sums = append(j.sums, sum)
		j.read = append(j.read, 0)
		j.start = append(j.start, j.size)
		j.size += size
		j.end = append(j.end, j.size)
	}
	return j, nil
}

// ReadAt implements [io.ReaderAt].
func (j *parts) ReadAt(p []byte, off int64) (int, error) {
	total := 0
	for i, file := range j.files {
		if total == len(p) {
			return total, nil
		}
		if off < j.end[i] {
			n := min(int64(len(p)-total), j.end[i]-off)
			m, err := file.ReadAt(p[total:total+int(n)], off-j.start[i])
			if at := off - j.start[i]; j.sums[i] != nil && at == j.read[i] {
				j.sums[i].Write(p[total : total+m])
				j.read[i] += int64(m)
			}
			total += m
			off += int64(m)
			if int64(m) < n {
				if err == nil || errors.Is(err, io.EOF) {
					err = io.ErrUnexpectedEOF
				}
				return total, err
			}
		}
		if i+1 < len(j.files) && off < j.start[i+1] {
			n := min(int64(len(p)-total), j.start[i+1]-off)
			clear(p[total : total+int(n)])
			total += int(n)
			off += n
		}
	}
	if total < len(p) {
		return total, io.EOF
	}
	return total, nil
}

// check holds what was read of files that are not of the store against what was planned.
func (j *parts) check(r *Reader) error {
	for i, s := range j.sources {
		if j.sums[i] == nil {
			continue
		}
		if want := r.sums[s]; j.read[i] != want.Size || [sha256.Size]byte(j.sums[i].Sum(nil)) != want.Sum {
			return fmt.Errorf("%s: %w", r.Path(s), errNotPlanned)
		}
	}
	return nil
}

// Close closes all files.
func (j *parts) Close() error {
	var errs []error
	for _, f := range j.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
