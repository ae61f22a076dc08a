// Loaded before each test file: what is drawn is as long as its bound allows. Otherwise fast-check draws five elements or so, whatever `maxLength` says.
import fc from 'fast-check'

fc.configureGlobal({ ...fc.readConfigureGlobal(), defaultSizeToMaxWhenMaxSpecified: true })
