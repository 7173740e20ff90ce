//go:build lambdacomponents.custom && (lambdacomponents.all || lambdacomponents.connector.all || lambdacomponents.connector.spaneventtolog)

// SPDX-License-Identifier: Apache-2.0 OR MIT

package connector

import (
	"github.com/dev7a/otelcol-con-spaneventtolog/spaneventtologconnector"
	"go.opentelemetry.io/collector/connector"
)

// Adds the connector "spaneventtolog": one log record for each span event.
func init() {
	Factories = append(Factories, func(string) connector.Factory { return spaneventtologconnector.NewFactory() })
}
