# Sums the name<TAB>count lines of several files.
BEGIN { FS = "\t" }
{ total[$1] += $2 }
END { for (name in total) printf "%s\t%.0f\n", name, total[name] }
