// Does nothing: what its timers show is the machine's and not the subject's. Ends with whoever started it.
process.stdin.resume()
process.stdin.on('end', () => process.exit())
