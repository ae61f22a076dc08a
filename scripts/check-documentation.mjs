// Every exported name says what it means: a docstring stands before each declaration that an entry point gives out.
import { join, relative } from 'node:path'
import ts from 'typescript'
import { packages, root } from './lib/packages.mjs'

const entries = packages().flatMap(({ name, dir, entries: list }) =>
  Object.entries(list).map(([key, file]) => ({ specifier: key === '.' ? name : `${name}${key.slice(1)}`, file: join(dir, file) })),
)
const program = ts.createProgram(
  entries.map(({ file }) => file),
  {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2023,
    paths: Object.fromEntries(entries.map(({ specifier, file }) => [specifier, [file]])),
    skipLibCheck: true,
    strict: true,
    types: ['node'],
    noEmit: true,
  },
)
const checker = program.getTypeChecker()
const silent = new Set()
let count = 0
for (const { file } of entries) {
  const source = program.getSourceFile(file)
  const module = source === undefined ? undefined : checker.getSymbolAtLocation(source)
  if (module === undefined) continue
  for (const exported of checker.getExportsOfModule(module)) {
    const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported
    const [declaration] = symbol.declarations ?? []
    const place = declaration === undefined ? '' : relative(root, declaration.getSourceFile().fileName)
    if (!place.startsWith('packages/')) continue
    count++
    if (symbol.getDocumentationComment(checker).length === 0) silent.add(`${place}: ${symbol.name} has no docstring`)
  }
}
if (silent.size > 0) {
  console.error([...silent].toSorted((a, b) => (a < b ? -1 : 1)).join('\n'))
  process.exit(1)
}
console.log(`${count} exported names, all documented`)
