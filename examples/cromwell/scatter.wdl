version 1.0

# Counts the lines of each file and adds them up.
workflow count_lines {
  input {
    Array[File] files
  }
  scatter (file in files) {
    call count { input: file = file }
  }
  call total { input: counts = count.lines }
  output {
    Int lines = total.sum
  }
}

task count {
  input {
    File file
  }
  command <<<
    wc -l < ~{file} | tr -d ' '
  >>>
  output {
    Int lines = read_int(stdout())
  }
  runtime {
    docker: "debian:stable-slim"
    cpu: 1
    memory: "1 GB"
  }
}

task total {
  input {
    Array[Int] counts
  }
  command <<<
    echo $(( ~{sep=" + " counts} ))
  >>>
  output {
    Int sum = read_int(stdout())
  }
  runtime {
    docker: "debian:stable-slim"
  }
}
