# Statistics of one FASTQ file, as name<TAB>count lines. POSIX awk: runs in mawk, busybox and gawk.
BEGIN {
  for (code = 33; code < 127; code++) quality[sprintf("%c", code)] = code - 33
}
NR % 4 == 2 {
  reads++
  length_now = length($0)
  bases += length_now
  last = length_now - 5
  for (at = 1; at <= last; at++) count[substr($0, at, 6)]++
  unreadable = $0
  ns += gsub(/N/, "", unreadable)
  gc += gsub(/[GC]/, "", unreadable)
}
NR % 4 == 0 {
  end = length($0)
  for (at = 1; at <= end; at++) quality_sum += quality[substr($0, at, 1)]
}
END {
  # %.0f instead of %d: in old versions of mawk, %d is 32 bits wide.
  printf "reads\t%.0f\nbases\t%.0f\ngc\t%.0f\nns\t%.0f\nquality_sum\t%.0f\n", reads, bases, gc, ns, quality_sum
  for (kmer in count) if (kmer !~ /N/) printf "kmer:%s\t%.0f\n", kmer, count[kmer]
}
