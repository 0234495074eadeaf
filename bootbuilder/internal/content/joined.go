package content

import (
	"errors"
	"io"
)

// parts reads several files as one, padded in between as [Joined] is.
type parts struct {
	files []Opened
	start []int64 // where each file begins
	end   []int64 // where its content ends; zeros up to the next start
	size  int64
}

func (r *Reader) openParts(sources []Source) (*parts, error) {
	j := &parts{}
	for _, s := range sources {
		j.size += initrdPadding(j.size)
		file, size, err := r.Open(s)
		if err != nil {
			return nil, errors.Join(err, j.Close())
		}
		j.files = append(j.files, file)
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

// Close closes all files.
func (j *parts) Close() error {
	var errs []error
	for _, f := range j.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
