/** The daemon's log: JSON lines on standard error, written synchronously so that none is lost when the process ends. */
import { type Level, type Logger, pino } from 'pino'
import { badValue, type FlagValues } from './flags.ts'

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error'] as const

export function openLog(flags: FlagValues): Logger {
  return pino(
    {
      level: logLevel(flags),
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
    },
    pino.destination({ fd: 2, sync: true }),
  )
}

/** `--log-level`, else what klog's `-v` or zap's level come to. */
function logLevel(flags: FlagValues): Level {
  if (flags.text('log-level') !== undefined) return flags.oneOf('log-level', LEVELS, 'info')
  const verbosity = flags.number('v', 0) ?? zapVerbosity(flags)
  if (typeof verbosity === 'string') return verbosity
  return verbosity >= 6 ? 'trace' : verbosity >= 4 ? 'debug' : 'info'
}

/** zap takes a name or a number; a number counts like klog's. */
function zapVerbosity(flags: FlagValues): Level | number {
  const text = flags.text('zap-log-level')
  if (text === undefined) return 0
  if (/^[0-9]{1,3}$/.test(text)) return Number(text)
  const named: Readonly<Record<string, Level>> = {
    debug: 'debug',
    info: 'info',
    error: 'error',
    panic: 'fatal',
  }
  const level = Object.hasOwn(named, text) ? named[text] : undefined
  if (level === undefined) throw badValue('zap-log-level', text, 'debug, info, error, panic or a number')
  return level
}
