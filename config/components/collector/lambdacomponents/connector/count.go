//go:build lambdacomponents.custom && (lambdacomponents.all || lambdacomponents.connector.all || lambdacomponents.connector.count)

// SPDX-License-Identifier: Apache-2.0 OR MIT

package connector

import (
	"github.com/open-telemetry/opentelemetry-collector-contrib/connector/countconnector"
	"go.opentelemetry.io/collector/connector"
)

// Adds the connector "count": metrics that count spans, span events, data points and log records.
func init() {
	Factories = append(Factories, func(string) connector.Factory { return countconnector.NewFactory() })
}
