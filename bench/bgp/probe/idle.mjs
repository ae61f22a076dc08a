// Does nothing: what its timers show is the machine's and not the subject's.
process.channel?.ref()
process.on('disconnect', () => process.exit())
