import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Extractor, ExtractorConfig } from '@microsoft/api-extractor';

const ROOT = resolve(import.meta.dirname, '..');

/** Rooms whose index is an entry of the package. */
export const ENTRIES = ['core', 'react', 'devtools', 'element'] as const;

const COMPILER = {
  target: 'es2022',
  module: 'esnext',
  moduleResolution: 'bundler',
  lib: ['es2023', 'dom', 'dom.iterable', 'dom.asynciterable'],
  types: [],
  jsx: 'react-jsx',
  strict: true,
  noEmit: true,
  allowImportingTsExtensions: true,
};

/** Compares api/<entry>.api.md with what dist/ declares; true when they are the same. `write` brings it up to date. */
export function checkApi(entry: (typeof ENTRIES)[number], write: boolean): boolean {
  const declared = resolve(ROOT, 'dist', entry, 'index.d.ts');
  const quiet = { default: { logLevel: 'none' as const } };
  const config = ExtractorConfig.prepare({
    packageJsonFullPath: resolve(ROOT, 'package.json'),
    configObjectFullPath: undefined,
    configObject: {
      projectFolder: ROOT,
      mainEntryPointFilePath: declared,
      compiler: { overrideTsconfig: { compilerOptions: COMPILER, files: [declared] } },
      apiReport: {
        enabled: true,
        reportFileName: `${entry}.api.md`,
        reportFolder: resolve(ROOT, 'api'),
        reportTempFolder: mkdtempSync(join(tmpdir(), 'api-report-')),
        includeForgottenExports: true,
      },
      messages: {
        extractorMessageReporting: quiet,
        tsdocMessageReporting: quiet,
        compilerMessageReporting: quiet,
      },
      newlineKind: 'lf',
    } as never,
  });
  const result = Extractor.invoke(config, {
    localBuild: write,
    messageCallback: (message) => {
      message.handled = true;
    },
  });
  return write || !result.apiReportChanged;
}
