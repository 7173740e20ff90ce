//go:build lambdacomponents.custom && (lambdacomponents.all || lambdacomponents.extension.all || lambdacomponents.extension.asmauthextension)

// SPDX-License-Identifier: Apache-2.0 OR MIT

package extension

import (
	"github.com/dev7a/otelcol-ext-asmauth/asmauthextension"
	"go.opentelemetry.io/collector/extension"
)

// Adds the extension "asmauthextension": request headers from an AWS Secrets Manager secret.
func init() {
	Factories = append(Factories, func(string) extension.Factory { return asmauthextension.NewFactory() })
}
